"""Commands before the first boot: instead of `sh -c "migrate && server"`, where a signal during the migration reaches no process."""

import signal
import sys

import pytest
from harness import processes
from harness.log import fields
from harness.waiting import eventually

PYTHON = sys.executable

# Reports that it listens, and exits in its own way on a signal.
PATIENT = """
import os, signal, sys, time
def leave(number, frame):
    # Not print: it may have been interrupted.
    os.write(1, f"told to leave by {signal.Signals(number).name}\\n".encode())
    sys.exit(5)
signal.signal(signal.SIGTERM, leave)
signal.signal(signal.SIGINT, leave)
print("migrating", flush=True)
while True:
    time.sleep(60)
"""
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('migrating', flush=True); time.sleep(600)"


def command(app, text, name="command.py"):
    return f"{PYTHON} {app.write(text, name)}"


def test_in_their_order_before_the_first_worker(launch, app):
    app.copy("hello.py")
    (app.path / "has space").mkdir()
    first = command(app, "import os, sys; print('first', sys.argv[1:], os.getcwd(), os.environ['STAGE'], flush=True)")
    server = launch("app:app", "--run-before", f"{first} 'a b' c", "--run-before", "sh -c 'echo second >&2; sleep 0.05; echo third'", "-e", "STAGE=build")
    server.wait_ready()
    lines = [line for line in server.log.lines if line.startswith(("first", "second", "third"))]
    assert lines == [f"first ['a b', 'c'] {app.path} build", "second", "third"]
    text = server.log.text()
    assert text.index("third") < text.index("worker ready")
    assert len(server.log.find("command succeeded .*took_ms=")) == 2
    assert server.get("/").status == 200
    # A reload is not a first boot.
    server.reload()
    assert server.log.text().count("second\n") == 1


@pytest.mark.parametrize(
    ("line", "code"),
    [("sh -c 'echo no such table; exit 9'", 9), ("sh -c 'kill -9 $$'", 137), ("/no/such/program", 127), ("/etc/passwd", 126)],
)
def test_a_failure_ends_the_server_with_its_code(launch, app, line, code):
    app.write("raise SystemError('imported')")
    server = launch("app:app", "--run-before", line, "--run-before", "echo never")
    assert server.wait_exit() == code
    text = server.log.wait_end()
    assert "imported" not in text and "\nnever" not in text
    assert ("no such table" in text) == (code == 9)
    assert fields(server.log.find("aborting startup: --run-before command failed")[0])["code"] == str(code)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_command(launch, app, number):
    app.copy("hello.py")
    server = launch("app:app", "--run-before", f"sh -c '{command(app, PATIENT)}; exit $?'")
    server.log.wait("migrating")
    server.signal(number)
    # Not only its shell.
    server.log.wait(f"told to leave by {number.name}")
    assert server.wait_exit() == 0


def test_one_that_takes_too_long_is_ended_and_so_is_the_server(launch, app):
    app.copy("hello.py")
    server = launch("app:app", "--run-before", command(app, PATIENT), "--run-before-timeout", "300ms")
    assert server.wait_exit() == 124
    assert "told to leave by SIGTERM" in server.log.wait_end()


def test_one_that_does_not_listen_is_killed(launch, app):
    app.copy("hello.py")
    server = launch("app:app", "--run-before", command(app, STUBBORN), "--graceful-timeout", "300ms")
    server.log.wait("migrating")
    (pid,) = server.children()
    server.terminate()
    server.log.wait("killing the command")
    assert server.wait_exit() == 0
    assert not processes.alive(pid)


def test_the_master_hears_signals_while_it_runs(launch, app):
    app.copy("hello.py")
    server = launch("app:app", "-w", "1", "--run-before", f"sh -c 'echo migrating; while ! test -e {app.path}/go; do sleep 0.01; done'")
    server.log.wait("migrating")
    server.signal(signal.SIGTTIN)
    server.log.wait("number of workers changed from=1 to=2")
    server.signal(signal.SIGUSR1)
    server.log.wait("log files reopened")
    app.write("", "go")
    server.wait_ready(2)


def test_its_output_is_in_the_log_file(launch, app, tmp_path):
    app.copy("hello.py")
    log = tmp_path / "error.log"
    launch("app:app", "--run-before", "sh -c 'echo out; echo err >&2'", "--error-logfile", log)
    eventually(lambda: log.exists() and "worker ready" in log.read_text(), "it is up")
    assert "\nout\nerr\n" in log.read_text()


def test_python_is_the_one_that_the_server_runs_on(launch, app):
    app.copy("hello.py")
    tell = "python -c 'import sys; print(\"migrated by\", sys.prefix, flush=True)'"
    server = launch("app:app", "--run-before", tell, env={"PATH": "/usr/bin:/bin"})
    server.wait_ready()
    assert f"migrated by {sys.prefix}" in server.log.lines


def test_a_writer_whose_reader_leaves_ends(launch, app):
    app.copy("hello.py")
    server = launch("app:app", "--run-before", "grep SigIgn /proc/self/status")
    server.wait_ready()
    (line,) = [line for line in server.log.lines if line.startswith("SigIgn")]
    ignored = int(line.split()[1], 16)
    assert not ignored & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)

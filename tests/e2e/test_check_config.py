"""`--check-config` exits with 0 exactly when a start with the same arguments would succeed."""

import os
import pty
import re
import subprocess

import pytest

from harness.apps import version
from harness.project import write_project
from harness.waiting import eventually

FAILING_LIFESPAN = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no cache server"})
"""


@pytest.fixture
def check(program, app):
    def start(*words):
        return subprocess.run([*program, "--check-config", *map(str, words)], cwd=app.path, capture_output=True, text=True, timeout=60)

    return start


@pytest.mark.parametrize("words, told", [
    (["--beside", "no-such-program run"], r"--beside: the program is not found.* name=no-such-program"),
    (["--pid", "p" * 255], ""),
    (["--error-logfile", "l" * 255], ""),
])
def test_what_a_start_would_do_without(app, check, launch, words, told):
    app.write(version("one"))
    done = check("app:app", *words)
    assert done.returncode == 0 and re.search(told, done.stderr), done.stderr
    server = launch("app:app", *words)
    eventually(lambda: server.children(), "it has come up")
    server.terminate()
    assert server.wait_exit() == 0


@pytest.mark.both_artifacts
def test_what_comes_up_is_fine(app, check):
    app.write(version("one"))
    done = check("app:app", "--ready-path", "/healthz", "-b", "127.0.0.1:0", "-b", "unix:new.sock", "--pid", "pid", "--error-logfile", "log", "-u", os.getuid())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {path.name for path in app.path.iterdir()} - {"__pycache__"} == {"app.py"}, "nothing is left behind"


def test_an_app_that_has_forked_a_process(app, check):
    # The process ends with the one that has the other end of the pipe.
    fork = "import os\nend, kept = os.pipe()\nif os.fork() == 0:\n    os.close(kept)\n    os.read(end, 1)\n    os._exit(0)\n"
    app.write(fork + version("one"))
    done = check("app:app", "-b", "127.0.0.1:0")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words, told", [
    (["-b", "unix:no/such.sock"], "no/such.sock"),
    (["-b", "unix:file"], "not a socket"),
    (["-b", "192.0.2.1:0"], "192.0.2.1"),
    (["-b", "no-such-host.invalid:0"], "no-such-host.invalid"),
    (["--admin-bind", "unix:no/such.sock"], "no/such.sock"),
    (["--pid", "no/pid"], "no/pid"),
    (["--pid", "."], "not a regular file"),
    (["--pid", "file/pid"], "not a directory"),
    (["--pid", "p" * 300], "name too long"),
    (["--error-logfile", "no/log"], "no/log"),
    (["--log-config", "."], "is a directory"),
    (["--error-logfile", "file/log"], "not a directory"),
    (["--access-logfile", "l" * 300], "name too long"),
    (["--run-before", "no-such-program"], "no-such-program"),
    (["--run-before", "./file"], "./file"),
    (["--run-before", "true", "--run-before", "no/such/program x"], "no/such/program"),
    (["--access-logfile", "."], "is a directory"),
    (["--control-socket", "no/ctl"], "no/ctl"),
    (["--worker-tmp-dir", "no"], "no"),
    (["--user", "nobody-of-that-name"], "nobody-of-that-name"),
    (["--group", "no-such-group"], "no-such-group"),
    (["--log-config", "no.conf"], "no.conf"),
    (["--ready-path", "/healthz"], "/healthz answered 503"),
])
def test_what_a_start_would_refuse(app, check, launch, words, told):
    app.write(version("one", health=503))
    (app.path / "file").touch()
    done = check("app:app", *words)
    assert done.returncode == 1 and told in done.stderr.lower(), done.stderr
    bind = None if "-b" in words else "127.0.0.1:0"
    assert launch("app:app", *words, bind=bind).wait_exit() != 0


@pytest.mark.parametrize("text, told", [
    ("timeout = float('inf')", "timeout: inf is beyond"),
    ("timeout = 10 ** 400", "timeout: that number is beyond"),
    (r"proc_name = 'caf\udce9'", r"proc_name: 'caf\udce9' is not UTF-8"),
    (r"raise ValueError('no such file: caf\udce9')", r"ValueError: no such file: caf\udce9"),
])
def test_a_value_that_no_setting_can_have(app, check, text, told):
    app.write(version("one"))
    app.write(text, "gunicorn.conf.py")
    done = check("app:app", "-b", "127.0.0.1:0")
    assert done.returncode == 1 and told in done.stderr, done.stderr


def test_an_environment_that_is_no_utf8_reaches_the_workers(app, launch):
    app.write("import os\n" + version("one").replace("'one'", "os.environb[b'STATION'].hex()"))
    app.write(r"import os; os.environb[b'STATION'] = b'caf\xe9'", "gunicorn.conf.py")
    server = launch("app:app")
    server.wait_ready()
    assert server.get("/").text == b"caf\xe9".hex()


@pytest.mark.both_loops
def test_a_lifespan_that_fails(app, check):
    app.path.joinpath("app.py").write_text(FAILING_LIFESPAN)
    done = check("app:app")
    assert done.returncode == 1 and "no cache server" in done.stderr
    assert check("app:app", "--lifespan", "off").returncode == 0


def test_a_lifespan_is_also_shut_down(app, check):
    app.path.joinpath("app.py").write_text(FAILING_LIFESPAN.replace(
        '"lifespan.startup.failed", "message": "no cache server"})', '"lifespan.startup.complete"})\n        await receive()\n        print("shut down")\n        await send({"type": "lifespan.shutdown.complete"})'
    ))
    done = check("app:app")
    assert (done.returncode, done.stdout) == (0, "shut down\n"), done.stderr


def test_beside_the_server_that_is_to_be_reloaded(app, check, serve):
    app.write(version("one"))
    server = serve(None, "--pid", "pid", "--control-socket", "ctl")
    done = check("app:app", "-b", f"127.0.0.1:{server.port}", "--pid", "pid", "--control-socket", "ctl")
    assert (done.returncode, done.stderr) == (0, "")
    assert server.get().text == "one" and (app.path / "pid").exists() and (app.path / "ctl").exists()


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_a_terminal_gets_a_line(app, program, interface):
    from importlib.metadata import version as installed

    spec = write_project(app, interface)
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*program, "--check-config", spec, "-w", "4"], cwd=app.path, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
    os.close(theirs)
    text = b""
    while True:
        try:
            data = os.read(ours, 1024)
        except OSError:
            break
        if not data:
            break
        text += data
    os.close(ours)
    assert process.wait(60) == 0
    assert text.decode().strip() == f"ok: entry:app is {interface.upper()} (Django {installed('django')}), 4 workers"

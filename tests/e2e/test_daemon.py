"""`--daemon`: runs in the background, and reports the start to its caller."""

import os
import signal
import socket
import subprocess

import pytest
from harness import processes
from harness.waiting import eventually


@pytest.fixture
def daemon(program, app, tmp_path):
    """Starts one and waits for the caller's end: (the caller's result, the master's pid or None)."""
    masters = []

    def start(*options, pass_fds=()):
        command = [*program, "app:app", "-D", "--pid", str(tmp_path / "pid"), "--error-logfile", str(tmp_path / "log"), *map(str, options)]
        done = subprocess.run(command, cwd=app.path, capture_output=True, text=True, timeout=30, pass_fds=pass_fds)
        pid = tmp_path / "pid"
        master = int(pid.read_text()) if pid.exists() else None
        if master:
            masters.append(master)
        return done, master

    yield start
    for master in masters:
        if processes.alive(master):
            os.kill(master, signal.SIGQUIT)
        eventually(lambda: not processes.alive(master), "the daemon has ended")


def get(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_up_when_the_caller_returns(daemon, app, tmp_path):
    app.copy("hello.py")
    done, master = daemon("-b", "unix:a.sock", "-w", 2)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert get(app.path / "a.sock").endswith(b"Hello, world!")
    # Away from the terminal: another session, which it does not lead, and nothing of ours is held open.
    assert os.getsid(master) not in (os.getsid(0), master)
    links = processes.descriptors(master)
    assert [links[number] for number in (0, 1, 2)] == ["/dev/null"] * 3
    assert f"pid={master}" in (tmp_path / "log").read_text()
    workers = processes.children(master)
    assert len(workers) == 2
    assert all(links[number] == "/dev/null" for pid in workers for links in [processes.descriptors(pid)] for number in (0, 1, 2))
    os.kill(master, signal.SIGTERM)
    eventually(lambda: not processes.alive(master), "it ends")
    assert not (tmp_path / "pid").exists() and not (app.path / "a.sock").exists()


@pytest.mark.parametrize("bind", [[], ["-b", "fd://3"], ["-b", "fd://http"]])
def test_it_serves_sockets_that_its_caller_was_passed(daemon, app, program, tmp_path, bind):
    app.copy("hello.py")
    path = tmp_path / "held.sock"
    with socket.socket(socket.AF_UNIX) as held:
        held.bind(str(path))
        held.listen()
        activate = f'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=http exec "$@" 3<&{held.fileno()}'
        program[:0] = ["bash", "-c", activate, "bash"]
        try:
            done, _ = daemon(*bind, pass_fds=[held.fileno()])
        finally:
            del program[:4]
    assert done.returncode == 0, done.stderr
    assert get(path).endswith(b"Hello, world!")


def test_winch_retires_the_workers_and_hup_brings_them_back(daemon, app, tmp_path):
    app.copy("hello.py")
    _, master = daemon("-b", "unix:a.sock", "-w", 2, "--keepalive-drain", 0)
    os.kill(master, signal.SIGWINCH)
    eventually(lambda: not processes.children(master), "no worker is left")
    os.kill(master, signal.SIGHUP)
    eventually(lambda: len(processes.children(master)) == 2, "two workers again")
    assert get(app.path / "a.sock").endswith(b"Hello, world!")


def test_broken_code_under_development_does_not_keep_the_caller(daemon, app, tmp_path):
    app.write("def (")
    done, master = daemon("-b", "unix:a.sock", "--reload")
    # As with gunicorn, the server is there: it waits for the next save.
    assert done.returncode == 0 and "waits until its files change: the app could not be loaded: SyntaxError" in done.stderr
    assert "    def (" in done.stderr
    assert "SyntaxError" in (tmp_path / "log").read_text()
    app.copy("hello.py")
    eventually(lambda: processes.children(master) and "worker ready" in (tmp_path / "log").read_text(), "the mended code is up")
    assert get(app.path / "a.sock").endswith(b"Hello, world!")


def test_broken_code_under_development_does_not_keep_the_caller_with_a_mold(daemon, app):
    app.write("def (")
    done, _ = daemon("-b", "unix:a.sock", "--reload", "--preload")
    assert done.returncode == 0 and "SyntaxError" in done.stderr


@pytest.mark.parametrize("options", [(), ("--preload",)])
def test_the_caller_gets_the_reason_of_a_failed_boot_and_the_traceback(daemon, app, options):
    app.write("raise RuntimeError('broken \\x1b[2J')")
    done, master = daemon("-b", "unix:a.sock", "--error-logfile", "/dev/null", *options)
    assert done.returncode == 3 and master is None
    assert done.stderr.splitlines() == [
        "error: the server did not come up: the app could not be loaded: RuntimeError: broken \\x1b[2J",
        "Traceback (most recent call last):",
        f'  File "{app.path}/app.py", line 1, in <module>',
        "    raise RuntimeError('broken \\x1b[2J')",
        "RuntimeError: broken \\x1b[2J",
    ]

    app.write("x = 1")
    done, _ = daemon("-b", "unix:a.sock", *options)
    assert done.returncode == 4 and "error: the server did not come up: the app could not be loaded" in done.stderr

    app.write("import os, signal; os.kill(os.getpid(), signal.SIGABRT)")
    done, _ = daemon("-b", "unix:a.sock", *options)
    assert done.returncode == 3 and "ended before it was ready: SIGABRT" in done.stderr and "hint: the log may say more" in done.stderr

    done, _ = daemon("-b", "unix:a.sock", "--run-before", "true", "--run-before", "sh -c 'exit 7'")
    assert done.returncode == 7 and "--run-before command 2 failed with exit code 7" in done.stderr


def test_errors_reach_the_caller(daemon, app, tmp_path):
    app.write("raise RuntimeError('broken')")
    done, master = daemon("-b", "unix:a.sock")
    assert done.returncode in (3, 4) and master is None
    assert "error: the server did not come up: the app could not be loaded: RuntimeError: broken" in done.stderr
    assert "RuntimeError: broken" in (tmp_path / "log").read_text()

    app.copy("hello.py")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done, _ = daemon("-b", "127.0.0.1:%d" % taken.getsockname()[1])
    assert done.returncode == 1 and "address already in use" in done.stderr

    done, _ = daemon("-b", "unix:a.sock", "--error-logfile", "/no/such/directory/log")
    assert done.returncode == 1 and "/no/such/directory/log" in done.stderr


def test_processes_have_names(launch, app):
    app.copy("hello.py")
    server = launch("app:app", "-w", "2", "--name", "shop")
    workers = server.wait_ready(2)

    def called(pid):
        with open(f"/proc/{pid}/cmdline") as arguments, open(f"/proc/{pid}/comm") as name:
            return arguments.read().rstrip("\0"), name.read().strip()

    assert called(server.master) == ("rgun: master [shop]", "rgun: master")
    assert called(workers[1]) == ("rgun: worker 1 gen 1 [shop]", "rgun: worker 1")

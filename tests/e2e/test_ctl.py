"""`rgun ctl`: the server answers an operator's requests and carries them out."""

import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import termios
import threading
import time
import unicodedata
from pathlib import Path

import pytest
from harness.apps import IMPORT_ERROR, version
from harness.load import Load
from harness.waiting import eventually


@pytest.fixture
def control(launch, app, program, tmp_path):
    """Start a server with a control socket and get `ctl(*words)` for it."""

    class Control:
        path = tmp_path / "ctl.sock"

        def start(self, workers=1, *options, text=None):
            if text is None:
                app.copy("hello.py")
            else:
                app.write(text)
            self.server = launch("app:app", "-w", workers, "--control-socket", self.path, *options)
            self.server.wait_ready(workers)
            return self.server

        def command(self, *words):
            return [*program, "ctl", "--socket", str(self.path), *map(str, words)]

        def __call__(self, *words, code=0):
            done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=30)
            assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
            return done

        def status(self):
            return json.loads(self("status", "--json").stdout)

    return Control()


def test_status_shows_every_worker_and_what_it_does(control, app):
    server = control.start(2, text=BLOCKS)
    status = control.status()
    assert (status["state"], status["generation"], status["workers_wanted"], status["app"]) == ("serving", 1, 2, "app:app")
    assert status["pid"] == server.master and status["listeners"] == [f"http://127.0.0.1:{server.port}"]
    assert [worker["slot"] for worker in status["workers"]] == [0, 1]
    assert {worker["pid"] for worker in status["workers"]} == set(server.ready_pids())
    with server.connect() as client:
        client.request("GET", "/slow?x=1")

        def seen():
            found = [request for worker in control.status()["workers"] for request in worker["oldest"]]
            return [(one["method"], one["path"]) for one in found] == [("GET", "/slow")] and found[0]["age_ms"] >= 0

        eventually(seen, "the request in flight is named")
        table = control("status").stdout
        assert re.search(r"serving .* GET /slow \(", table) and "\x1b" not in table
        assert "the server has not become idle within 0.2 s" in control("wait-idle", "--timeout", 0.2, code=1).stderr
        # It ends once the request in flight has its response.
        assert "the reload goes on in the server: it did not end within 0.01 s" in control("reload", "--timeout", 0.01, code=1).stderr
        (app.path / "open").touch()
        assert client.response().status == 200
    eventually(lambda: sum(worker["requests"] for worker in control.status()["workers"]) == 1, "the request is counted")


BLOCKS = """
import asyncio, os

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError
    while scope["path"].startswith("/slow") and not os.path.exists("open"):
        await asyncio.sleep(0.005)
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""


def commands_of_a_terminal(text):
    return [character for character in text if character != "\n" and (unicodedata.category(character) == "Cc" or character in "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")]


def test_what_clients_send_commands_no_terminal(control, app):
    """ESC, BEL, CSI (C1) and a right-to-left override in a path, in an exception's text and in a server's name."""
    hostile = "%1b%5d0;owned%07%1b%5b2J%c2%9b31m%e2%80%ae"
    server = control.start(1, text=BLOCKS)
    with server.connect() as client:
        client.request("GET", f"/slow/{hostile}")
        eventually(lambda: in_flight(control) == 1, "the request is in flight")
        for words in [("stacks",), ("status",), ("status", "--json")]:
            shown = control(*words).stdout
            assert "owned" in shown and not commands_of_a_terminal(shown), words
        (app.path / "open").touch()
        assert client.response().status == 200
    app.write("raise RuntimeError('\\x1b]0;owned\\x07\\x9b\\u202e')\n")
    failed = control("reload", code=1)
    assert "owned" in failed.stderr and not commands_of_a_terminal(failed.stderr)
    assert not commands_of_a_terminal(control("status").stdout)


def test_what_a_server_says_commands_no_terminal(program, tmp_path):
    """Another server's answers are text like any other: its name, its message, what stands in the place of an answer."""
    hostile = "\x1b]0;owned\x07\x9b31m\u202e"
    answers = [{"ok": False, "message": hostile, "traceback": hostile}, {"ok": True, "message": hostile}, {"ok": True, "stacks": [{"slot": 0, "pid": 1, "way": "none", "text": hostile}]}, hostile]
    path = tmp_path / f"{hostile}.ctl"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        for answer in answers:
            asking = subprocess.Popen([*program, "ctl", "--socket", str(path), "stacks"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
                shown = "".join(asking.communicate(timeout=20))
            assert shown and not commands_of_a_terminal(shown), answer
    done = subprocess.run([*program, "ctl", "--socket", str(path), "stacks"], capture_output=True, text=True, timeout=20)
    assert "owned" in done.stderr and not commands_of_a_terminal(done.stderr)


def test_watch_draws_again_until_the_server_is_gone(control):
    server = control.start(1)
    watching = subprocess.Popen(control.command("status", "--watch"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    tables = 0
    for line in watching.stdout:
        tables += line.startswith("SLOT")
        if tables == 2:
            server.terminate()
            break
    out, err = watching.communicate(timeout=20)
    assert watching.returncode == 1 and "has ended" in err


@pytest.mark.parametrize("words, key", [(("top",), b"q"), (("status", "--watch"), b"\x03")])
def test_top_has_a_screen_of_its_own(control, words, key):
    """80 columns and 24 lines: nothing wraps or scrolls, and what stood there before comes back."""
    control.start(3)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(theirs)
    watching = subprocess.Popen(control.command(*words), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env={**os.environ, "TERM": "xterm"})
    shown = b""
    try:
        while shown.count(b"SLOT") < 2:
            shown += os.read(ours, 65536)
        os.write(ours, key)
        assert watching.wait(15) == 0
        assert termios.tcgetattr(theirs) == before
        os.set_blocking(ours, False)
        with contextlib.suppress(BlockingIOError):
            shown += os.read(ours, 65536)
    finally:
        watching.kill()
        watching.wait()
        os.close(ours), os.close(theirs)
    text = shown.decode()
    assert text.startswith("\x1b[?1049h") and text.endswith("\x1b[?1049l")
    for picture in text.split("\x1b[H\x1b[J")[1:]:
        lines = [re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", line) for line in picture.split("\r\n")]
        assert len(lines) <= 24 and all(len(line) <= 80 for line in lines), lines


def test_keys_of_top(control, app):
    control.start(1, text=version("one"))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    top = subprocess.Popen(control.command("top"), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env={**os.environ, "TERM": "xterm"})
    shown = b""

    def press(keys, until):
        nonlocal shown
        shown = b""
        os.write(ours, keys)
        while until not in shown:
            shown += os.read(ours, 65536)

    try:
        press(b"", b"q quit")
        press(b"r", b"replace all workers by new ones? y: yes")
        press(b"y", b"generation 2 serves")
        press(b"+", b"2 workers instead of 1? y: yes")
        press(b"y", b"number of workers: 2 (was 1)")
        press(b"s0\r", b"worker 0 (pid ")
        press(b"b", b"SLOT")
        app.write("broken(")
        press(b"ry", b"SyntaxError")
        press(b"q", b"\x1b[?1049l")
        assert top.wait(15) == 0
    finally:
        top.kill()
        top.wait()
        os.close(ours), os.close(theirs)
    assert control.status()["generation"] == 2 and control.status()["workers_wanted"] == 2


def test_ctrl_c_ends_the_watch(control):
    control.start(1)
    watching = subprocess.Popen(control.command("status", "--watch"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    assert watching.wait(10) == -signal.SIGINT
    watching.communicate()


def test_reload_waits_for_the_new_version(control, app):
    server = control.start(2, text=version("one"))
    with Load(server, clients=2, keep_alive=False) as load:
        load.flows()
        app.write(version("two"))
        assert "generation 2" in control("reload").stdout
        with server.connect() as client:
            assert client.get("/").body == b"two"
        load.assert_nothing_failed()
    status = control.status()
    assert (status["generation"], status["reloads"]["succeeded"], status["state"]) == (2, 1, "serving")


def test_reload_that_fails_prints_the_traceback(control, app):
    server = control.start(2, text=version("one"))
    app.write(IMPORT_ERROR)
    failed = control("reload", code=1)
    assert failed.stderr.startswith("error: reload rolled back, the old workers go on: the app could not be loaded")
    assert "Traceback (most recent call last):" in failed.stderr and "a_module_that_nobody_has" in failed.stderr
    with server.connect() as client:
        assert client.get("/").body == b"one"
    status = control.status()
    assert status["generation"] == 1 and status["reloads"]["failed"] == 1
    assert "could not be loaded" in status["reloads"]["last_failure"]
    app.write(version("two"))
    control("reload")
    assert "last_failure" not in control.status()["reloads"]


def test_scale_up_and_down(control):
    server = control.start(1)
    assert "3 (was 1)" in control("scale", 3).stdout
    control("wait-ready")
    assert len(server.ready_pids()) == 3
    control("scale", 1)
    control("wait-idle")
    eventually(lambda: len(server.ready_pids()) == 1, "one worker is left")
    assert "at least one" in control("scale", 0, code=1).stderr


def test_restart_worker_replaces_that_one_alone(control, app):
    server = control.start(2)
    before = {worker["slot"]: worker["pid"] for worker in control.status()["workers"]}
    with Load(server, clients=2, keep_alive=False) as load:
        control("restart-worker", 1)
        load.assert_nothing_failed()
    control("wait-idle")
    after = {worker["slot"]: worker["pid"] for worker in control.status()["workers"]}
    assert after[0] == before[0] and after[1] != before[1]
    assert [worker["restarts"] for worker in control.status()["workers"]] == [0, 1]
    assert "no slot 7" in control("restart-worker", 7, code=1).stderr
    app.write(IMPORT_ERROR)
    failed = control("restart-worker", 0, code=1)
    assert "a_module_that_nobody_has" in failed.stderr
    assert before[0] in server.ready_pids(), "it goes on"


def test_stop_returns_when_the_server_is_gone(control):
    server = control.start(2)
    assert control("stop").stdout == "stopped\n"
    assert server.wait_exit() == 0
    assert not control.path.exists()
    assert "there is no such socket" in control("status", code=1).stderr


def test_log_level_of_every_process(control):
    server = control.start(1)
    assert not [line for line in server.log.lines if "[DEBUG]" in line]
    control("log-level", "debug")
    with server.connect() as client:
        client.send(b"NONSENSE\r\n\r\n")
        client.rest()
    server.log.wait("request refused")
    control("log-level", "error")
    control("reload")
    assert "reload succeeded" not in server.log.text()


def in_flight(control):
    return sum(worker["in_flight"] for worker in control.status()["workers"])


def test_stacks_of_tasks_and_threads(control, app):
    server = control.start(2, text=BLOCKS)
    with server.connect() as client:
        client.request("GET", "/slow?x=1")
        eventually(lambda: in_flight(control) == 1, "the app waits")
        told = control("stacks").stdout
        assert re.search(r"^worker 0 \(pid \d+\)$", told, re.M) and re.search(r"^worker 1 \(pid \d+\)$", told, re.M)
        assert told.count("Thread MainThread") == 2 and "<rgun" not in told
        task = told.partition("(GET /slow)")[2]
        assert "await asyncio.sleep(0.005)" in task and "app.py" in task
        (app.path / "open").touch()
        assert client.response().status == 200
    assert re.search(r"^Thread MainThread .*:\n  \(idle\)$", control("stacks", 1).stdout, re.M)
    assert "no worker in slot 7" in control("stacks", 7, code=1).stderr


def test_stacks_of_a_worker_that_is_stuck(control, app):
    server = control.start(1, text=BLOCKS.replace("await asyncio.sleep(0.005)", "import time; time.sleep(0.005)"))
    with server.connect() as client:
        client.request("GET", "/slow")
        eventually(lambda: in_flight(control) == 1, "the app has the worker")
        told = control("stacks").stdout
        assert ", by signal)" in told and 'app.py", line' in told
        assert "most recent call first" not in told and "<rgun" not in told and "_hosted.py" not in told
        (app.path / "open").touch()
        assert client.response().status == 200
    server.freeze(server.ready_pids()[0])
    assert "not even to a signal" in control("stacks").stdout
    os.kill(server.ready_pids()[0], signal.SIGCONT)
    assert control.status()["state"] == "serving"


def test_stacks_of_wsgi_threads(control, app):
    server = control.start(1, "--threads", 2, text=WSGI)
    idle = control("stacks").stdout
    assert len(re.findall(r"^Thread ", idle, re.M)) == idle.count("(idle)") == 2 and "_hosted.py" not in idle
    with server.connect() as client, server.connect() as other:
        client.request("GET", "/one")
        eventually(lambda: in_flight(control) == 1, "one thread is busy")
        told = control("stacks").stdout
        assert "by signal" not in told and "time.sleep(0.005)" in told
        other.request("GET", "/two")
        eventually(lambda: in_flight(control) == 2, "both threads are busy")
        told = control("stacks").stdout
        assert ", by signal)" in told and told.count("app.py") == 2
        (app.path / "open").touch()
        assert client.response().status == other.response().status == 200


WSGI = """
import os, time

def app(environ, start_response):
    while not os.path.exists("open"):
        time.sleep(0.005)
    start_response("200 OK", [])
    return [b"done"]
"""


def test_a_worker_that_hangs_at_import_is_not_killed_by_the_question(control, app, launch):
    app.write("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    server = launch("app:app", "--control-socket", control.path)
    server.log.wait("importing")
    assert "time.sleep(60)" in open(app.path / "app.py").read() and 'app.py", line 3' in control("stacks").stdout
    assert len(server.children()) == 1


def test_wait_ready_begins_before_the_server(control, app, launch):
    app.write(version("late", before="time.sleep(0.3)"))
    waiting = subprocess.Popen(control.command("wait-ready"), stdout=subprocess.PIPE, text=True)
    launch("app:app", "--control-socket", control.path)
    assert waiting.wait(20) == 0 and waiting.stdout.read() == "the server is ready\n"
    waiting.stdout.close()


def test_wait_gives_up(control, tmp_path):
    assert "no such socket" in control("wait-ready", "--timeout", 0.2, code=1).stderr


def test_its_own_socket_is_found_by_name(program, launch, app, tmp_path):
    app.copy("hello.py")
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "TMPDIR": str(tmp_path)}
    environment.pop("RUNTIME_DIRECTORY", None)
    ctl = lambda *words: subprocess.run([*program, "ctl", *words], env=environment, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)  # noqa: E731
    assert "no server found" in ctl("status").stderr
    one = launch("app:app", "--name", "one", env=environment)
    one.wait_ready()
    path = tmp_path / "rgun-one.ctl"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ctl("status").returncode == 0
    two = launch("app:app", "--name", "one", env=environment)
    two.wait_ready()
    assert (tmp_path / f"rgun-{two.master}.ctl").exists(), "the second of that name does not take the first one's"
    several = ctl("status")
    assert several.returncode == 1 and f"pid {one.master}" in several.stdout + several.stderr and f"pid {two.master}" in several.stderr
    two.terminate()
    two.wait_exit()
    assert path.exists() and ctl("status").returncode == 0


def test_a_server_without_a_place_says_so_once(launch, app, tmp_path):
    app.copy("hello.py")
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path / "nowhere"), "TMPDIR": str(tmp_path / "nowhere")}
    environment.pop("RUNTIME_DIRECTORY", None)
    server = launch("app:app", env=environment)
    server.wait_ready()
    assert [line for line in server.log.lines if "no control socket" in line][0].count("[INFO]") == 1


@pytest.fixture
def container(program, launch, app, tmp_path):
    """An environment without a runtime directory, as in containers and root shells: `container.start()`, `container.ctl(...)`."""

    class Container:
        temporary = tmp_path / "tmp"
        directory = temporary / f"rgun-{os.geteuid()}"
        environment = {**os.environ, "TMPDIR": str(temporary)}

        def start(self, *options, **environment):
            server = launch("app:app", *options, env={**self.environment, **environment})
            server.wait_ready()
            return server

        def ctl(self, *words, cwd=None, **environment):
            return subprocess.run([*program, "ctl", *map(str, words)], env={**self.environment, **environment}, cwd=cwd, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)

    app.copy("hello.py")
    Container.temporary.mkdir()
    for name in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        Container.environment.pop(name, None)
    return Container()


def test_a_container_has_a_control_socket(container):
    one = container.start()
    path = container.directory / f"rgun-{one.master}.ctl"
    assert stat.S_IMODE(container.directory.stat().st_mode) == 0o700 and stat.S_IMODE(path.stat().st_mode) == 0o600
    shown = container.ctl("status", "--json")
    assert json.loads(shown.stdout)["pid"] == one.master, shown.stderr
    two = container.start("--name", "two")
    assert "pid " in container.ctl("status").stderr, "there are two"
    for words, server in ((("-n", "two"), two), (("-p", one.master), one), (("-p", two.ready_pids()[0]), two)):
        assert json.loads(container.ctl("status", "--json", *words).stdout)["pid"] == server.master, words
    assert "no server called three" in container.ctl("status", "-n", "three").stderr
    for server in (one, two):
        server.terminate()
        server.wait_exit()
    assert list(container.directory.iterdir()) == []


def damaged(kind, container, tmp_path):
    target = tmp_path / "target"
    target.mkdir(mode=0o700)
    if kind == "link":
        container.directory.symlink_to(target)
    elif kind == "open to others":
        container.directory.mkdir()
        os.chmod(container.directory, 0o755)
    elif kind == "a file":
        container.directory.write_text("")
    elif kind == "another user's":
        container.directory.mkdir(mode=0o700)
        os.chown(container.directory, 65534, 65534)
    return target


@pytest.mark.parametrize("kind, reason", [("link", "symbolic link"), ("open to others", "mode 755"), ("a file", "not a directory"), ("another user's", "belongs to user 65534")])
def test_a_directory_that_is_not_private_is_not_used(container, tmp_path, kind, reason):
    if kind == "another user's" and os.geteuid() != 0:
        pytest.skip("needs another user")
    target = damaged(kind, container, tmp_path)
    server = container.start()
    (line,) = server.log.find("no control socket")
    assert reason in line and "[INFO]" in line
    assert list(target.iterdir()) == []
    assert "no server found" in container.ctl("status").stderr


def test_ctl_obeys_what_the_server_obeys(container, app, tmp_path):
    """RGUN_CONTROL_SOCKET, and rgun.toml of the working directory, for both."""
    named = container.start(RGUN_CONTROL_SOCKET=str(tmp_path / "variable.ctl"))
    assert json.loads(container.ctl("status", "--json", RGUN_CONTROL_SOCKET=str(tmp_path / "variable.ctl")).stdout)["pid"] == named.master
    app.write('control_socket = "own.ctl"\n', "rgun.toml")
    configured = container.start()
    assert (app.path / "own.ctl").is_socket()
    assert json.loads(container.ctl("status", "--json", cwd=app.path).stdout)["pid"] == configured.master
    assert "no server found" in container.ctl("status").stderr, "elsewhere it is not known"
    option = container.ctl("status", "--json", "--socket", tmp_path / "variable.ctl", cwd=app.path)
    assert json.loads(option.stdout)["pid"] == named.master, "what is said counts more"
    app.write("control_socket = \n", "rgun.toml")
    assert "rgun.toml" in container.ctl("status", cwd=app.path).stderr


def test_a_clients_nonsense_is_its_own(control):
    server = control.start(1)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(control.path))
        client.sendall(b'{"command":"explode"}\n{"command":"status"}\n')
        answers = client.makefile()
        assert json.loads(answers.readline())["ok"] is False
        assert json.loads(answers.readline())["status"]["pid"] == server.master
        client.sendall(b"x" * 70_000)
        assert "longer than" in json.loads(answers.readline())["message"]
        with pytest.raises(ConnectionResetError):  # it had sent more than was read
            assert answers.readline() == "", "the end"
            raise ConnectionResetError
    idle = []
    for _ in range(20):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(control.path))
        idle.append(client)
    assert control.status()["state"] == "serving"
    for client in idle:
        client.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_another_user_is_refused(control, tmp_path):
    control.start(1)
    os.chmod(control.path, 0o666)
    for directory in [tmp_path, *tmp_path.parents][:-1]:
        if directory.stat().st_uid == os.geteuid() and directory != directory.parent:
            os.chmod(directory, directory.stat().st_mode | 0o011)

    def ask():
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(control.path))
            return client.makefile().readline()

    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgid(65534)
        os.setuid(65534)
        os.write(write, ask().encode())
        os._exit(0)
    os.waitpid(child, 0)
    answer = json.loads(os.read(read, 4096))
    os.close(read), os.close(write)
    assert answer["ok"] is False and "own user" in answer["message"]


@pytest.fixture
def impostor(tmp_path):
    """Start a process that answers every request with success: `impostor(path, user=65534)`."""
    pids = []

    def start(path, user=None, owner=None):
        listener = socket.socket(socket.AF_UNIX)
        ready, done = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                if user is not None:
                    os.setgroups([])
                    os.setgid(user)
                    os.setuid(user)
                listener.bind(str(path))
                listener.listen()
                os.write(done, b"x")
                while True:
                    connection, _ = listener.accept()
                    connection.recv(4096)
                    connection.sendall(b'{"ok":true,"message":"reloaded: generation 9 serves"}\n')
            finally:
                os._exit(1)
        pids.append(pid)
        os.close(done)
        assert os.read(ready, 1) == b"x"
        os.close(ready)
        listener.close()
        if owner is not None:
            os.chown(path, owner, owner)

    yield start
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def run_ctl(program, *words, timeout=20, **environment):
    """Unless `environment` sets TMPDIR, servers of other stories are not found."""
    environment.setdefault("TMPDIR", "/nowhere")
    env = {name: value for name, value in {**os.environ, **environment}.items() if name != "RUNTIME_DIRECTORY"}
    return subprocess.run([*program, "ctl", *map(str, words)], env=env, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)


@pytest.fixture
def open_directory():
    """A directory in which every user may make a socket."""
    directory = tempfile.mkdtemp(dir="/tmp")
    os.chmod(directory, 0o1777)
    yield Path(directory)
    shutil.rmtree(directory)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_another_users_socket_is_not_believed(program, impostor, open_directory):
    """Named by its path: the owner of the file and the user of the listening process are checked."""
    for name, owner in (("theirs.ctl", None), ("disguised.ctl", 0)):
        path = open_directory / name
        impostor(path, user=65534, owner=owner)
        refused = run_ctl(program, "--socket", path, "reload")
        assert refused.returncode == 1 and "reloaded" not in refused.stdout, name
        assert "user 65534" in refused.stderr and "setpriv" in refused.stderr, refused.stderr


@pytest.mark.skipif(os.geteuid() != 0 or not os.path.isdir("/run/lock"), reason="needs another user, and /run/lock")
def test_another_users_socket_is_not_found(program, impostor, tmp_path):
    """In directories of all users, and in one that a user has below /run."""
    own = Path(tempfile.mkdtemp(prefix="rgun-test-", dir="/run"))
    os.chmod(own, 0o755)
    os.chown(own, 65534, 65534)
    shared = Path(f"/run/lock/rgun-test-{os.getpid()}.ctl")
    paths = [own / "rgun.ctl"]
    if os.stat("/run/lock").st_mode & 0o002:
        paths.append(shared)
    try:
        for path in paths:
            impostor(path, user=65534)
        found = run_ctl(program, "reload", XDG_RUNTIME_DIR=str(tmp_path))
        assert found.returncode == 1 and "generation 9" not in found.stdout
        assert str(shared) not in found.stderr
    finally:
        for path in paths:
            path.unlink(missing_ok=True)
        own.rmdir()


def test_a_link_to_a_socket_is_refused(program, impostor, tmp_path):
    impostor(tmp_path / "real.ctl")
    (tmp_path / "rgun-link.ctl").symlink_to(tmp_path / "real.ctl")
    named = run_ctl(program, "--socket", tmp_path / "rgun-link.ctl", "reload")
    assert named.returncode == 1 and "is a symbolic link" in named.stderr
    assert "generation 9" not in run_ctl(program, "reload", XDG_RUNTIME_DIR=str(tmp_path)).stdout
    assert "generation 9" in run_ctl(program, "--socket", tmp_path / "real.ctl", "reload").stdout


@pytest.mark.parametrize("answers", ["never", "a byte now and then", "without an end", "not even accepting"])
def test_a_silent_server_is_not_waited_for_without_end(program, tmp_path, answers):
    path = tmp_path / "rgun-silent.ctl"
    stop = threading.Event()

    def answer(listener):
        while not stop.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    while not stop.wait(0.02):
                        if answers == "a byte now and then":
                            connection.sendall(b" ")
                        elif answers == "without an end":
                            connection.sendall(b" " * 65536)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(0)
        listener.settimeout(0.1)
        waiting = []
        if answers == "not even accepting":
            for _ in range(3):
                other = socket.socket(socket.AF_UNIX)
                other.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    other.connect(str(path))
                waiting.append(other)
        else:
            waiting.append(threading.Thread(target=answer, args=(listener,), daemon=True))
            waiting[0].start()
        try:
            for words in (["status"], ["reload"], ["wait-ready"], ["stop"], ["status", "--watch"]):
                began = time.monotonic()
                given_up = run_ctl(program, "--socket", path, *words, "--timeout", 0.3, timeout=15)
                assert given_up.returncode == 1 and time.monotonic() - began < 5, words
                assert re.search("within 0.3 s|does not accept", given_up.stderr), given_up.stderr
            if answers == "never":
                found = run_ctl(program, "status", "--timeout", 3, XDG_RUNTIME_DIR=str(tmp_path), timeout=15)
                assert found.returncode == 1
        finally:
            stop.set()
            for one in waiting:
                one.close() if isinstance(one, socket.socket) else one.join()


def test_a_server_that_is_stopped_is_found_by_its_pid(program, launch, app, tmp_path):
    app.copy("hello.py")
    server = launch("app:app", env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)})
    server.wait_ready()
    ask = lambda *words: run_ctl(program, "--pid", server.master, "status", *words, XDG_RUNTIME_DIR=str(tmp_path))  # noqa: E731
    os.kill(server.master, signal.SIGSTOP)
    try:
        eventually(lambda: Path(f"/proc/{server.master}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T", "the master is stopped")
        given_up = ask("--timeout", 2)
    finally:
        os.kill(server.master, signal.SIGCONT)
    assert given_up.returncode == 1 and "no answer from the server within" in given_up.stderr, given_up.stderr
    assert f"process {server.master} is stopped by a signal" in given_up.stderr
    assert ask().returncode == 0


@pytest.mark.parametrize("words, said", [
    (["help", "ctl"], "Verbs:"),
    (["ctl", "help"], "Verbs:"),
    (["help", "ctl", "reload"], "rgun ctl reload || exit 1"),
    (["ctl", "help", "reload"], "rgun ctl reload || exit 1"),
    (["help", "init"], "compose"),
    (["doctor", "help"], "Kubernetes"),
])
def test_help_as_a_word(program, words, said):
    shown = subprocess.run([*program, *words], capture_output=True, text=True, timeout=30)
    assert shown.returncode == 0 and said in shown.stdout, shown.stderr


@pytest.mark.parametrize("words, said", [
    (["docter"], "there is no command `docter`, and no module of that name here\nhint: did you mean `rgun doctor`?"),
    (["int"], "hint: did you mean `rgun init`?"),
    (["version"], "hint: did you mean `rgun --version`?"),
    (["init"], "<TARGET> is missing\nhint: there are systemd, nginx, compose, kubernetes, "),
    (["init", "kubernets"], "hint: did you mean `kubernetes`?"),
    (["doctor", "--jsn"], "hint: did you mean `--json`?"),
])
def test_a_command_that_is_mistyped(program, tmp_path, words, said):
    wrong = subprocess.run([*program, *words], capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert wrong.returncode == 2 and said in wrong.stderr, wrong.stderr
    assert "listening" not in wrong.stderr


def test_usage_teaches(program):
    run = lambda *words: subprocess.run([*program, "ctl", *words], capture_output=True, text=True, timeout=30)  # noqa: E731
    for words, said in (((), "error: no verb was given\nhint: there are status, "), (("explode",), "error: there is no verb `explode`\nhint: "), (("scale", "many"), "error: <N>: `many` is not a number")):
        wrong = run(*words)
        assert wrong.returncode == 2 and wrong.stderr.startswith(said), wrong.stderr
    assert "stop`?" not in run("stup").stderr
    text = run("reload", "--help")
    assert text.returncode == 0 and "rgun ctl reload || exit 1" in text.stdout

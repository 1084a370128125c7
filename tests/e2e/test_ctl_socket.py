"""The control socket: where it is, who may use it, and what servers and clients make of nonsense."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

from harness.controlled import control  # fixture
from harness.waiting import eventually


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

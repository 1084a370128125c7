"""How `rgun ctl` finds servers: sockets of killed ones, servers that do not answer, servers of the same name."""

import os
import signal
import socket
import subprocess
import time

import pytest
from harness.waiting import eventually


@pytest.fixture
def here(program, tmp_path):
    """A runtime directory of this test: `here.env`, `here.ctl(...)`."""

    class Here:
        directory = tmp_path / "run"
        env = {**os.environ, "XDG_RUNTIME_DIR": str(directory), "TMPDIR": str(tmp_path)}

        def ctl(self, *words):
            return subprocess.run([*program, "ctl", *map(str, words)], env=self.env, cwd=tmp_path, capture_output=True, text=True, timeout=30)

        def sockets(self):
            return {path.name for path in self.directory.iterdir()}

    Here.env.pop("RUNTIME_DIRECTORY", None)
    Here.directory.mkdir(mode=0o700)
    return Here()


def killed(server):
    os.kill(server.master, signal.SIGKILL)
    server.wait_exit()


def test_the_socket_of_a_killed_server_is_removed(here, launch, app):
    app.copy("hello.py")
    first = launch("app:app", "--name", "one", env=here.env)
    first.wait_ready()
    killed(first)
    assert here.sockets() == {"rgun-one.ctl"}
    assert "no server found" in here.ctl("status").stderr
    assert here.sockets() == set()
    # By the next server, too.
    second = launch("app:app", "--name", "two", env=here.env)
    second.wait_ready()
    killed(second)
    third = launch("app:app", "--name", "three", env=here.env)
    third.wait_ready()
    assert here.sockets() == {"rgun-three.ctl"}
    assert here.ctl("status").returncode == 0


def test_what_is_alive_or_no_servers_stays(here, launch, app):
    app.copy("hello.py")
    server = launch("app:app", "--name", "one", env=here.env)
    server.wait_ready()
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(str(here.directory / "rgun-bound.ctl"))
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(here.directory / "other.sock"))
    dead.close()
    (here.directory / "rgun-file.ctl").write_text("")
    os.kill(server.master, signal.SIGSTOP)
    try:
        here.ctl("-n", "one", "--timeout", "0.5", "status")
        assert here.sockets() == {"rgun-one.ctl", "rgun-bound.ctl", "other.sock", "rgun-file.ctl"}
    finally:
        os.kill(server.master, signal.SIGCONT)
        bound.close()
    assert here.ctl("-n", "one", "status").returncode == 0


def test_servers_that_do_not_answer_are_waited_for_together(here, launch, app):
    app.copy("hello.py")
    servers = [launch("app:app", "--name", f"n{number}", env=here.env) for number in range(4)]
    for server in servers:
        server.wait_ready()
    for server in servers[:3]:
        os.kill(server.master, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        done = here.ctl("-n", "n3", "status")
        took = time.monotonic() - begun
    finally:
        for server in servers[:3]:
            os.kill(server.master, signal.SIGCONT)
    assert done.returncode == 0, done.stderr
    # A second for each would be three.
    assert took < 2.5, took


def test_servers_of_the_same_name(here, launch, app):
    app.copy("hello.py")
    servers = [launch("app:app", "--name", "dup", env=here.env) for _ in range(2)]
    for server in servers:
        server.wait_ready()
    eventually(lambda: len(here.sockets()) == 2, "each has a socket")
    done = here.ctl("-n", "dup", "status")
    assert done.returncode == 1
    assert "error: several servers are called dup" in done.stderr
    assert "hint: choose one with --pid PID or --socket PATH" in done.stderr
    assert all(f"pid {server.master}" in done.stderr for server in servers)
    assert here.ctl("-p", servers[0].master, "status").returncode == 0

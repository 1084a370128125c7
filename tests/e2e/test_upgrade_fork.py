"""`--upgrade-mode fork`: USR2 starts a second master beside the first one, as with gunicorn; an operator ends one of the two."""

import os
import re
import signal
import socket
import subprocess

import pytest
from harness import processes
from harness.apps import IMPORT_ERROR, version
from harness.client import Client
from harness.ctl import Ctl
from harness.load import Load
from harness.waiting import eventually


class TwoMasters:
    """The server, and what its second master is found by."""

    def __init__(self, server, app, program, path):
        self.server, self.app, self.path = server, app, path
        self.ctl, self.second_ctl = Ctl(program, path / "ctl"), Ctl(program, path / "ctl.2")
        self.pid_file, self.second_file = path / "pid", path / "pid.2"
        self.second = None

    def begin(self, workers=2):
        """Until the second master serves; its pid."""
        mark = self.server.log.mark()
        os.kill(self.server.master, signal.SIGUSR2)
        self.second = int(self.server.log.wait(r"second master started second_pid=(\d+)", after=mark).group(1))
        self.server.log.wait(rf"\[{self.second}\] \[INFO\] all workers ready", after=mark)
        assert int(self.second_file.read_text()) == self.second
        return self.second

    def is_alone(self):
        """The second master has taken the names of the first one."""
        eventually(lambda: self.pid_file.exists() and int(self.pid_file.read_text()) == self.second, "the pid file has its name")
        assert not self.second_file.exists()
        assert self.ctl.status()["pid"] == self.second and not (self.path / "ctl.2").exists()

    def end_second(self):
        if self.second and processes.alive(self.second):
            os.kill(self.second, signal.SIGTERM)
            eventually(lambda: not processes.alive(self.second), "the second master has ended")


@pytest.fixture
def masters(launch, app, program, tmp_path):
    begun = []

    def start(*options, workers=2, code=version("old"), **keywords):
        app.write(code)
        server = launch(
            "app:app", "-w", workers, "--upgrade-mode", "fork", "--pid", tmp_path / "pid", "--control-socket", tmp_path / "ctl",
            "-b", f"unix:{tmp_path}/app.sock", *options, **keywords,
        )
        server.wait_ready(workers)
        begun.append(TwoMasters(server, app, program, tmp_path))
        return begun[-1]

    yield start
    for one in begun:
        one.end_second()


def over_unix(path):
    with Client.unix(str(path / "app.sock")) as client:
        return client.get(headers=[("connection", "close")]).text


@pytest.mark.both_artifacts
@pytest.mark.parametrize("options", [(), ("--reuse-port",), ("--preload",)], ids=" ".join)
def test_the_first_one_ends_and_nothing_is_lost(app, masters, tmp_path, options):
    both = masters(*options)
    server = both.server
    with Load(server, clients=4) as kept, Load(server, clients=3, keep_alive=False) as fresh:
        kept.flows(20)
        app.write(version("new"))
        second = both.begin()
        assert both.second_ctl.status()["pid"] == second and both.ctl.status()["pid"] == server.master
        eventually(lambda: {b"old", b"new"} <= set(fresh.bodies()), "both versions answer")
        server.terminate()
        assert server.wait_exit() == 0
        both.is_alone()
        seen = fresh.bodies()[b"old"]
        fresh.flows(50)
        kept.flows(50)
        assert fresh.bodies()[b"old"] == seen
        assert over_unix(tmp_path) == "new"
    kept.assert_nothing_failed(at_least=50)
    fresh.assert_nothing_failed(at_least=50)
    both.end_second()
    assert not (tmp_path / "app.sock").exists() and not both.pid_file.exists() and not (tmp_path / "ctl").exists()


def test_the_second_one_ends_and_nothing_has_changed(app, masters, tmp_path):
    both = masters()
    server = both.server
    with Load(server, clients=4) as kept, Load(server, clients=3, keep_alive=False) as fresh:
        app.write(version("new"))
        second = both.begin()
        eventually(lambda: {b"old", b"new"} <= set(fresh.bodies()), "both versions answer")
        mark = server.log.mark()
        os.kill(second, signal.SIGTERM)
        server.log.wait(rf"\[INFO\] second master has ended second_pid={second} exit=.code 0", after=mark)
        seen = fresh.bodies()[b"new"]
        fresh.flows(50)
        kept.flows(50)
        assert fresh.bodies()[b"new"] == seen
        assert over_unix(tmp_path) == "old"
    kept.assert_nothing_failed(at_least=50)
    fresh.assert_nothing_failed(at_least=50)
    assert int(both.pid_file.read_text()) == server.master and not both.second_file.exists()
    assert both.ctl.status()["pid"] == server.master
    # It can be tried again.
    both.begin()
    server.terminate()
    server.wait_exit()
    both.is_alone()


def test_one_second_master_at_a_time(masters):
    both = masters(workers=1)
    second = both.begin(1)
    assert f"a second master runs already, pid {second}" in both.ctl("upgrade", code=1)
    assert f"the master before this one still runs, pid {both.server.master}" in both.second_ctl("upgrade", code=1)


def test_a_second_master_that_does_not_come_up(app, masters):
    both = masters()
    app.write(IMPORT_ERROR)
    assert "second master started: pid " in both.ctl("upgrade")
    both.server.log.wait(r"\[WARNING\] second master has ended .*exit=.code 3")
    assert both.server.get().text == "old" and not both.second_file.exists()
    assert over_unix(both.path) == "old"


def test_the_first_one_is_killed(app, masters):
    both = masters(workers=1)
    app.write(version("new"))
    both.begin(1)
    os.kill(both.server.master, signal.SIGKILL)
    both.server.process.wait(10)
    both.is_alone()
    assert both.server.get().text == "new"


def test_the_service_manager_gets_the_new_main_process(app, masters, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        both = masters(workers=1, env={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        second = both.begin(1)
        both.server.terminate()
        assert both.server.wait_exit() == 0
        both.is_alone()
        heard = []
        while not any(f"READY=1\nMAINPID={second}\n" in text for text in heard):
            heard.append(manager.recv(4096).decode())
    assert f"MAINPID={second}" in heard
    assert not any("STOPPING=1" in text for text in heard)


@pytest.mark.parametrize("option", [("--admin-bind", "127.0.0.1:0"), ("--beside", "sleep 100")])
def test_what_two_masters_cannot_both_have(program, app, option):
    app.write(version("old"))
    run = subprocess.run([*program, "app:app", "--check-config", "--upgrade-mode", "fork", *option], cwd=app.path, capture_output=True, text=True, timeout=30)
    assert run.returncode == 1 and f"--upgrade-mode: `fork` is not possible with {option[0]}" in run.stderr


def test_winch_on_the_first_one_and_back_again(program, app, tmp_path):
    """What gunicorn's documentation says: WINCH to the old master of a daemon, then HUP to it and TERM to the new one to go back."""
    app.write(version("old"))
    log, pid_file = tmp_path / "log", tmp_path / "pid"
    command = [*program, "app:app", "-D", "-w", "2", "-b", f"unix:{tmp_path}/app.sock", "--pid", pid_file, "--error-logfile", log, "--upgrade-mode", "fork", "--no-control-socket"]
    subprocess.run([*map(str, command)], cwd=app.path, check=True, timeout=30)
    first = int(pid_file.read_text())
    second = None
    try:
        app.write(version("new"))
        os.kill(first, signal.SIGUSR2)
        second = int(eventually(lambda: re.search(r"second master started second_pid=(\d+)", log.read_text()), "it was started").group(1))
        eventually(lambda: re.search(rf"\[{second}\] \[INFO\] all workers ready", log.read_text()), "it serves")
        os.kill(first, signal.SIGWINCH)
        eventually(lambda: [pid for pid in processes.children(first) if pid != second] == [], "the workers of the first one have ended")
        assert {over_unix(tmp_path) for _ in range(20)} == {"new"}
        app.write(version("old"))
        os.kill(first, signal.SIGHUP)
        eventually(lambda: len(processes.children(first)) == 3, "they are back")
        os.kill(second, signal.SIGTERM)
        eventually(lambda: not processes.alive(second), "the second one has ended")
        assert {over_unix(tmp_path) for _ in range(20)} == {"old"}
        assert int(pid_file.read_text()) == first
    finally:
        for pid in filter(None, (first, second)):
            if processes.alive(pid):
                os.kill(pid, signal.SIGTERM)
                eventually(lambda: not processes.alive(pid), "it has ended")

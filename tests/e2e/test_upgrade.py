"""Upgrade in place: another program goes on in the master's process, and no client notices."""

import os
import signal
import subprocess
import sys

import pytest
from harness import processes
from harness.apps import IMPORT_ERROR, version
from harness.client import Client
from harness.ctl import Ctl
from harness.load import Load
from harness.manager import Manager
from harness.tls import Authority, TlsClient, TlsServer
from harness.upgrade import replace
from harness.waiting import eventually


@pytest.mark.both_artifacts
def test_nobody_notices_and_the_workers_stay(app, start_installed, tmp_path):
    server, ctl = start_installed()
    workers = sorted(ctl.workers(1))
    before = ctl.status()
    descriptors = len(processes.descriptors(server.master))
    with Load(server, clients=4) as kept, Load(server, clients=2, keep_alive=False) as fresh:
        kept.flows(20)
        for _ in range(2):
            assert "the workers stay as they are" in ctl("upgrade", "--no-reload")
            kept.flows(20)
            fresh.flows(20)
        assert sorted(ctl.workers(1)) == workers
    kept.assert_nothing_failed(at_least=60)
    fresh.assert_nothing_failed(at_least=40)
    after = ctl.status()
    assert after["pid"] == before["pid"] == server.master
    assert after["uptime_ms"] >= before["uptime_ms"]
    assert after["listeners"] == before["listeners"] and after["app"] == before["app"]
    assert sum(one["requests"] for one in after["workers"]) > sum(one["requests"] for one in before["workers"])
    assert int((tmp_path / "pid").read_text()) == server.master
    assert len(server.log.find("upgraded in place")) == 2
    # The executable that could be gone back to stays open.
    eventually(lambda: len(processes.descriptors(server.master)) <= descriptors + 1, "no descriptor is left over")


@pytest.mark.both_artifacts
def test_a_reload_follows(app, start_installed):
    server, ctl = start_installed()
    app.write(version("new"))
    with Load(server, clients=4) as kept, Load(server, clients=2, keep_alive=False) as fresh:
        kept.flows(20)
        said = ctl("upgrade")
        assert "upgraded from rgun " in said and "generation 2 serves" in said
        kept.flows(50)
        fresh.flows(50)
    kept.assert_nothing_failed(at_least=70)
    fresh.assert_nothing_failed(at_least=50)
    assert server.get().text == "new"
    status = ctl.status()
    assert (status["pid"], status["generation"], status["reloads"]["succeeded"]) == (server.master, 2, 1)


@pytest.mark.both_artifacts
def test_the_master_is_the_one_that_it_was(app, start_installed):
    server, ctl = start_installed()
    ctl("upgrade", "--no-reload")
    killed = ctl.workers(1)[0]
    mark = server.log.mark()
    os.kill(killed, signal.SIGKILL)
    server.wait_ready(1, after=mark)
    assert not processes.zombies(server.master)
    assert killed not in ctl.workers(1) and server.get().text == "old"
    app.write(version("new"))
    assert "succeeded" in server.reload().group(0)
    assert server.get().text == "new"
    app.write(version("newer"))
    assert "generation 3 serves" in ctl("upgrade")
    assert server.get().text == "newer"
    server.terminate()
    assert server.wait_exit() == 0
    assert not server.leftovers()


def test_the_hook_of_gunicorn_is_called_when_an_upgrade_begins(app, start_installed, installed, program):
    app.write("def pre_exec(server): open('said', 'a').write(f'{server.pid}\\n')\n", "gunicorn.conf.py")
    server, ctl = start_installed()
    said = app.path / "said"
    replace(installed, None)
    Ctl(program, ctl.socket)("upgrade", code=1)
    installed.symlink_to(program[0])
    assert not said.exists()
    ctl("upgrade", "--no-reload")
    eventually(lambda: said.exists() and said.read_text() == f"{server.master}\n", "it was called")
    # The process that calls it has outlived the upgrade.
    ctl("upgrade")
    eventually(lambda: said.read_text() == f"{server.master}\n" * 2, "it was called again")


def test_a_reload_that_fails_leaves_the_old_workers(app, start_installed):
    server, ctl = start_installed()
    app.write(IMPORT_ERROR)
    said = ctl("upgrade", code=1)
    assert "upgraded from rgun" in said and "rolled back" in said
    assert server.get().text == "old"


@pytest.mark.both_artifacts
@pytest.mark.parametrize("file", ["rgun.toml", "gunicorn.conf.py", "hooks"])
@pytest.mark.parametrize("failed_reload", [True, False], ids=["failed-reload", "no-reload"])
def test_a_worker_that_is_replaced_gets_the_settings_of_its_generation(app, start_installed, file, failed_reload):
    def configure(stage):
        if file == "rgun.toml":
            app.write(f'[env]\nSTAGE = "{stage}"\n', file)
        else:
            hooks = "def post_fork(server, worker): pass\n" if file == "hooks" else ""
            app.write(f'raw_env = ["STAGE={stage}"]\n{hooks}', "gunicorn.conf.py")

    configure("before")
    code = version("old").replace("'old'", "os.environ['STAGE']")
    assert "os.environ['STAGE']" in code
    server, ctl = start_installed(code=code)
    assert server.get().text == "before"
    configure("after")
    if failed_reload:
        app.write(IMPORT_ERROR)
        assert "rolled back" in ctl("upgrade", code=1)
        app.write(code)
    else:
        ctl("upgrade", "--no-reload")
    for _ in range(2):
        # Again after another upgrade: the next program has them from one that has not read them itself.
        for pid in ctl.workers(1):
            mark = server.log.mark()
            os.kill(pid, signal.SIGKILL)
            server.wait_ready(1, after=mark)
        assert [server.get().text for _ in range(4)] == ["before"] * 4
        ctl("upgrade", "--no-reload")
    assert not server.log.find("cannot be restored")
    assert "succeeded" in server.reload().group(0)
    assert server.get().text == "after"


def test_a_worker_whose_end_another_program_has_seen_is_missed(program, start_installed, installed, tmp_path):
    server, ctl = start_installed()
    ctl.program = program
    reached, go = tmp_path / "reached", tmp_path / "go"
    # A shell waits for all children.
    wait = f"touch {reached}; while ! test -e {go}; do sleep 0.05; done"
    replace(installed, f'#!/bin/sh\ntest $$ != {server.master} || {{ {wait}; }}\nexec {program[0]} "$@"\n')
    running = ctl.begin("upgrade", "--no-reload")
    eventually(reached.exists, "the new program is started")
    killed = server.ready_pids()[0]
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: not processes.alive(killed), "it was waited for")
    go.touch()
    running.end()
    eventually(lambda: len(ctl.workers(1)) == 2 and killed not in ctl.workers(1), "another one is in its place")


def test_one_thing_at_a_time(app, start_installed):
    server, ctl = start_installed()
    app.write(version("new"))
    ctl("stage")
    assert "generation 2 is staged" in ctl("upgrade", code=1)
    ctl("promote")
    assert server.get().text == "new"
    assert "the workers stay" in ctl("upgrade", "--no-reload")


@pytest.mark.parametrize("kept", [(), ("--preload", "--rollback-keep", "mold")], ids=["workers", "mold"])
def test_what_is_kept_for_a_rollback_stays_kept(app, start_installed, kept):
    server, ctl = start_installed("--rollback-window", "60", *kept)
    app.write(version("new"))
    ctl("reload")
    with Load(server, clients=2) as load, Load(server, clients=2, keep_alive=False) as fresh:
        load.flows(10)
        assert "the workers stay" in ctl("upgrade", "--no-reload")
        app.write(IMPORT_ERROR)
        assert "rolled back" in ctl("upgrade", code=1)
        ctl("rollback")
        fresh.flows(20)
        assert server.get().text == "old"
        app.write(version("newer"))
        ctl("upgrade")
        assert server.get().text == "newer"
        ctl("rollback")
        assert server.get().text == "old"
        load.flows(20)
    load.assert_nothing_failed()
    fresh.assert_nothing_failed()
    assert ctl.status()["pid"] == server.master


def test_a_signal_is_enough_and_the_manager_sees_a_reload(app, start_installed, tmp_path):
    manager = Manager(tmp_path / "notify")
    try:
        server, ctl = start_installed(env={"NOTIFY_SOCKET": manager.name})
        _, mark = manager.wait(READY="1")
        app.write(version("new"))
        server.signal(signal.SIGUSR2)
        _, mark = manager.wait(after=mark, RELOADING="1")
        ready, _ = manager.wait(after=mark, READY="1")
        assert int(ready["MAINPID"]) == server.master
        assert server.get().text == "new" and ctl.status()["generation"] == 2
    finally:
        manager.close()


@pytest.mark.both_artifacts
def test_unix_sockets_and_the_monitor(app, start_installed):
    server, ctl = start_installed("--admin-bind", "127.0.0.1:0", bind="unix:a.sock")
    address = server.log.wait(r"probes and metrics address=http://([\d.:]+)").group(1)
    host, port = address.rsplit(":", 1)

    def ready():
        with Client.tcp(host, int(port)) as client:
            return client.get("/-/ready").status == 200

    eventually(ready, "the monitor answers")
    app.write(version("new"))
    ctl("upgrade")
    assert server.get().text == "new"
    eventually(ready, "the monitor answers again")
    server.terminate()
    assert server.wait_exit() == 0
    assert not (app.path / "a.sock").exists()


def test_workers_of_a_mold(app, start_installed):
    server, ctl = start_installed("--preload")
    ctl("upgrade", "--no-reload")
    mark = server.log.mark()
    os.kill(ctl.workers(1)[0], signal.SIGKILL)
    server.wait_ready(1, after=mark)
    app.write(version("new"))
    assert server.get().text == "old"
    ctl("upgrade")
    assert server.get().text == "new"


@pytest.mark.both_artifacts
def test_a_daemon(installed, app, tmp_path):
    app.write(version("old"))
    log, pid_file, socket = tmp_path / "log", tmp_path / "pid", tmp_path / "ctl.sock"
    command = [installed, "app:app", "-D", "--pid", pid_file, "--error-logfile", log, "-b", "unix:a.sock", "--control-socket", socket]
    subprocess.run(list(map(str, command)), cwd=app.path, check=True, timeout=60)
    master = int(pid_file.read_text())
    try:
        app.write(version("new"))
        Ctl([str(installed)], socket)("upgrade")
        with Client.unix(app.path / "a.sock") as client:
            assert client.get().text == "new"
        assert int(pid_file.read_text()) == master
        os.kill(master, signal.SIGTERM)
        eventually(lambda: not processes.alive(master), "it ends")
        assert not pid_file.exists()
    finally:
        if processes.alive(master):
            os.kill(master, signal.SIGKILL)


WHERE = """
import os
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": os.environ.get("FROM", "nowhere").encode()})
"""


@pytest.mark.both_artifacts
def test_the_program_is_looked_up_again(program, start_installed, installed, tmp_path):
    """As where `current` leads to another environment."""
    server, ctl = start_installed(code=WHERE)
    assert server.get().text == "nowhere"
    other = tmp_path / "other"
    other.write_text(f'#!/bin/sh\nFROM=other exec {program[0]} "$@"\n')
    other.chmod(0o755)
    installed.unlink()
    installed.symlink_to(other)
    ctl("upgrade")
    assert server.get().text == "other"


# Not a shell: it would take the signals, and wait for the workers.
LATE = """#!{python} -S
import os, sys, time
if os.getpid() == {master}:
    open({reached!r}, "w").close()
    while not os.path.exists({go!r}): time.sleep(0.01)
os.execv({program!r}, [{program!r}, *sys.argv[1:]])
"""


@pytest.mark.both_artifacts
def test_signals_meanwhile_are_served_afterwards(program, start_installed, installed, tmp_path):
    server, ctl = start_installed()
    ctl.program = program
    reached, go = tmp_path / "reached", tmp_path / "go"
    replace(installed, LATE.format(python=sys.executable, master=server.master, reached=str(reached), go=str(go), program=program[0]))
    with Load(server, clients=2) as load:
        running = ctl.begin("upgrade", "--no-reload")
        eventually(reached.exists, "the new program is started")
        load.flows(20)
        killed = server.ready_pids()[0]
        os.kill(killed, signal.SIGKILL)
        server.signal(signal.SIGTTIN)
        go.touch()
        running.end()
        eventually(lambda: len(ctl.workers(1)) == 3, "there are three workers")
    assert killed not in ctl.workers(1) and not processes.zombies(server.master)
    server.terminate()
    assert server.wait_exit() == 0


def test_only_one_at_a_time(program, start_installed, installed, tmp_path):
    server, ctl = start_installed()
    ctl.program = program
    go = tmp_path / "go"
    replace(installed, f'#!/bin/sh\nwhile ! test -e {go}; do sleep 0.05; done\nexec {program[0]} "$@"\n')
    first = ctl.begin("upgrade")
    server.log.wait("asking the new program")
    assert "an upgrade is in progress" in ctl("upgrade", code=1)
    # Whatever else is asked for is done at once.
    assert ctl.status()["state"] == "serving"
    go.touch()
    assert "generation 2 serves" in first.end()


def test_a_reload_that_has_begun_comes_first(program, app, start_installed, installed, tmp_path):
    server, ctl = start_installed()
    ctl.program = program
    go, boot = tmp_path / "go", tmp_path / "boot"
    replace(installed, f'#!/bin/sh\nwhile ! test -e {go}; do sleep 0.05; done\nexec {program[0]} "$@"\n')
    upgrade = ctl.begin("upgrade")
    server.log.wait("asking the new program")
    app.write(version("new", before=f"import time\nwhile not os.path.exists({str(boot)!r}): time.sleep(0.01)"))
    reload = ctl.begin("reload")
    eventually(lambda: ctl.status()["state"] == "reloading", "it reloads")
    go.touch()
    assert "the server is reloading to generation 2" in upgrade.end(code=1)
    boot.touch()
    reload.end()
    assert server.get().text == "new"


SLOW = """
import asyncio, os
async def app(scope, receive, send):
    assert scope["type"] == "http"
    while scope["path"] == "/slow" and not os.path.exists("go"):
        await asyncio.sleep(0.01)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})
"""


def test_whoever_waits_on_the_control_socket_waits_on(app, start_installed):
    server, ctl = start_installed(code=SLOW)
    with server.connect(timeout=20) as client:
        client.request(target="/slow")
        eventually(lambda: sum(one["in_flight"] for one in ctl.status()["workers"]) == 1, "it is in flight")
        before = len(sockets(server.master))
        waiting = ctl.begin("wait-idle")
        eventually(lambda: len(sockets(server.master)) > before, "it is there")
        ctl("upgrade", "--no-reload")
        assert waiting.process.poll() is None
        app.write("", "go")
        assert client.response().text == "done"
    waiting.end()


def sockets(pid):
    return [link for link in processes.descriptors(pid).values() if link.startswith("socket:")]


@pytest.mark.both_artifacts
def test_sockets_of_slots(start_installed):
    server, ctl = start_installed("--reuse-port")
    with Load(server, clients=2, keep_alive=False) as load:
        ctl("upgrade", "--no-reload")
        load.flows(20)
        mark = server.log.mark()
        os.kill(ctl.workers(1)[1], signal.SIGTERM)
        server.wait_ready(1, after=mark)
        load.flows(20)
    load.assert_nothing_failed()


HOOKS = """
workers = 2
def says(*words):
    print(*words, flush=True)
def child_exit(server, worker):
    says("child_exit", worker.age)
"""


def test_hooks_are_called_as_before(app, start_installed):
    app.write(HOOKS, "gunicorn.conf.py")
    server, ctl = start_installed()
    ctl("upgrade", "--no-reload")
    mark = server.log.mark()
    os.kill(ctl.workers(1)[0], signal.SIGKILL)
    server.log.wait(r"child_exit \d", after=mark)
    server.wait_ready(1, after=mark)
    ctl("upgrade")


@pytest.mark.both_artifacts
def test_certificates_go_on(start_installed, tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    server, ctl = start_installed("--certfile", certificate, "--keyfile", key)
    over_tls = TlsServer(server, authority.context())
    with Load(over_tls, clients=2) as kept, Load(over_tls, clients=2, keep_alive=False) as fresh:
        kept.flows(10)
        ctl("upgrade", "--no-reload")
        kept.flows(20)
        fresh.flows(20)

        def serial():
            with TlsClient.connect(server.port, authority.context()) as client:
                return client.serial

        # Workers of before the upgrade hear of new certificates as well.
        old = serial()
        for source, file in zip(authority.issue("renewed"), (certificate, key)):
            file.write_bytes(source.read_bytes())
        ctl("reload-certificates")
        eventually(lambda: serial() != old, "new connections get the new certificate")
        ctl("upgrade")
        fresh.flows(20)
    kept.assert_nothing_failed()
    fresh.assert_nothing_failed()

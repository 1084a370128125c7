"""Notifications to systemd, and the shipped units."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from harness.apps import IMPORT_ERROR, version
from harness.client import Client
from harness.load import Load
from harness.manager import Manager
from harness.waiting import eventually, stays

UNITS = Path(__file__).parents[2] / "contrib" / "systemd"


@pytest.fixture
def manager(tmp_path):
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.close()


def wait_for_file(path):
    return f"while not os.path.exists({str(path)!r}): time.sleep(0.01)"


def test_ready_only_when_the_workers_can_serve(launch, app, manager, tmp_path):
    app.write(version("v1", before=wait_for_file(tmp_path / "go")))
    server = launch("app:app", "-w", "2", env={"NOTIFY_SOCKET": manager.name})
    extension, _ = manager.wait()
    assert int(extension["EXTEND_TIMEOUT_USEC"]) > 1_000_000
    booting, _ = manager.wait(STATUS="booting, 0 of 2 workers ready, 0 requests in flight")
    assert not manager.having("READY")
    (tmp_path / "go").touch()
    ready, _ = manager.wait(READY="1")
    assert server.get("/").body == b"v1"
    assert int(ready["MAINPID"]) == server.master
    assert ready["STATUS"].startswith("2 of 2 workers ready, generation 1")


def test_an_abstract_socket(launch, app):
    manager = Manager(f"@rgun-story-{os.getpid()}-{time.monotonic_ns()}")
    try:
        app.copy("hello.py")
        launch("app:app", env={"NOTIFY_SOCKET": manager.name})
        manager.wait(READY="1")
    finally:
        manager.close()


def test_reload_well_and_badly_then_stop(launch, app, manager):
    app.write(version("v1"))
    server = launch("app:app", "-w", "2", "--keepalive-drain", "0", env={"NOTIFY_SOCKET": manager.name})
    _, mark = manager.wait(READY="1")
    began = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    app.write(version("v2"))
    server.reload()
    reloading, at = manager.wait(after=mark, RELOADING="1")
    assert began <= int(reloading["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    ready, mark = manager.wait(after=at, READY="1")
    assert "generation 2" in ready["STATUS"]
    app.write(IMPORT_ERROR)
    server.reload()
    _, at = manager.wait(after=mark, RELOADING="1")
    ready, mark = manager.wait(after=at, READY="1")
    assert "2 of 2 workers ready, generation 2, reload to generation 3 failed" in ready["STATUS"]
    server.terminate()
    assert server.wait_exit() == 0
    stopping, at = manager.wait(after=mark, STOPPING="1")
    assert stopping["STATUS"].startswith("stopping")
    # Nothing that means another state comes after it.
    assert not manager.having("READY", after=at) and not manager.having("RELOADING", after=at)


def test_more_time_is_asked_for_while_it_drains(serve, app, manager):
    server = serve("gate.py", env={"NOTIFY_SOCKET": manager.name})
    with server.connect() as client:
        client.request(target="/wait")
        server.log.wait("request waits")
        mark = manager.mark()
        server.terminate()
        _, at = manager.wait(after=mark, STOPPING="1")
        eventually(lambda: manager.having("EXTEND_TIMEOUT_USEC", after=at), "it asks for more time")
        app.write("", "open")
        assert client.response().body == b"waited"
    assert server.wait_exit() == 0


def test_the_watchdog_is_fed_while_a_worker_lives(launch, app, manager):
    app.copy("hello.py")
    environment = {"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "400000"}
    server = launch("app:app", "-t", "0", env=environment)
    _, mark = manager.wait(READY="1")
    pid = server.wait_ready()[0]
    eventually(lambda: len(manager.having("WATCHDOG", after=mark)) >= 5, "it is fed")
    server.signal(signal.SIGSTOP, pid)
    try:

        def starved():
            mark = manager.mark()
            time.sleep(0.6)
            return not manager.having("WATCHDOG", after=mark)

        eventually(starved, "it is not fed while its only worker is stopped")
    finally:
        server.signal(signal.SIGCONT, pid)
    mark = manager.mark()
    manager.wait(after=mark, WATCHDOG="1")


def test_the_watchdog_of_another_process_is_left_alone(launch, app, manager):
    app.copy("hello.py")
    launch("app:app", env={"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"})
    _, mark = manager.wait(READY="1")
    stays(lambda: not manager.having("WATCHDOG"), "nobody feeds it", 0.5)


def test_a_manager_that_does_not_read_holds_up_nobody(launch, app, tmp_path):
    app.copy("hello.py")
    deaf = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    deaf.bind(str(tmp_path / "deaf"))
    filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    filler.connect(str(tmp_path / "deaf"))
    filler.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            filler.send(b"x")
    server = launch("app:app", env={"NOTIFY_SOCKET": str(tmp_path / "deaf"), "WATCHDOG_USEC": "100000"})
    server.wait_ready()
    assert server.get("/").status == 200
    server.terminate()
    assert server.wait_exit() == 0
    deaf.close()
    filler.close()


def test_workers_hear_nothing_of_systemd(serve, manager):
    environment = {"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}
    server = serve("process.py", env=environment)
    found = json.loads(server.get("/").body)["environment"]
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & set(found)


needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@needs_systemd
def test_the_shipped_units_are_taken_without_a_word(tmp_path):
    files = [shutil.copy(unit, tmp_path) for unit in UNITS.iterdir()]
    files += [shutil.copy(UNITS / f"rgun@.{kind}", tmp_path / f"rgun@shop.{kind}") for kind in ("service", "socket")]
    done = subprocess.run(["systemd-analyze", "verify", *map(str, files)], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_systemd
@pytest.mark.parametrize("name", ["rgun.service", "rgun@.service"])
def test_the_shipped_services_are_tight(name):
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(UNITS / name)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert float(re.search(r"exposure level for \S+: ([\d.]+)", done.stdout).group(1)) <= 2.0


@pytest.mark.parametrize("name", ["rgun", "rgun@"])
def test_the_names_in_the_units_are_those_of_the_program(name):
    service, sock = (UNITS / f"{name}.service").read_text(), (UNITS / f"{name}.socket").read_text()
    assert f"-b fd://{re.search(r'FileDescriptorName=(.*)', sock).group(1)} " in service
    assert re.search(r"^SyslogIdentifier=rgun", service, re.M)


def test_the_socket_of_the_template_outlives_the_service():
    """systemd removes a RuntimeDirectory when the service stops."""
    service, sock = (UNITS / "rgun@.service").read_text(), (UNITS / "rgun@.socket").read_text()
    runtime = re.search(r"RuntimeDirectory=(.*)", service).group(1)
    path = Path(re.search(r"ListenStream=(.*)", sock).group(1))
    assert Path("%t") / runtime not in path.parents and re.search(r"^SocketGroup=", sock, re.M)


needs_activation = pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="systemd-socket-activate is not installed")


@needs_activation
def test_the_first_connection_starts_it_by_the_socket_of_the_template(launch, app, tmp_path, program):
    app.copy("hello.py")
    sock = tmp_path / "rgun-shop.sock"
    name = re.search(r"FileDescriptorName=(.*)", (UNITS / "rgun@.socket").read_text()).group(1)
    program[:0] = ["systemd-socket-activate", "-l", str(sock), f"--fdname={name}", "-E", "PATH", "-E", "VIRTUAL_ENV"]
    try:
        server = launch("app:app", bind=f"fd://{name}")
    finally:
        del program[:program.index("VIRTUAL_ENV") + 1]
    server.log.wait("Listening on")
    with Client.unix(sock, timeout=30) as client:
        assert client.get().status == 200
    server.terminate()
    assert server.wait_exit() == 0
    assert sock.exists()


def test_a_restart_behind_a_socket_that_systemd_holds_refuses_nothing(launch, app, tmp_path, program):
    app.copy("hello.py")
    path = tmp_path / "rgun-shop.sock"
    with socket.socket(socket.AF_UNIX) as held:
        held.bind(str(path))
        held.listen(1024)
        activate = f'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=http exec "$@" 3<&{held.fileno()}'
        program[:0] = ["bash", "-c", activate, "bash"]
        try:
            start = lambda: launch("app:app", "-w", "2", "--keepalive-drain", "0", bind="fd://http", pass_fds=[held.fileno()])  # noqa: E731
            server = start()
            server.wait_ready(2)
            front = SimpleNamespace(port=0, connect=lambda timeout=30.0: Client.unix(path, timeout=timeout))
            with Load(front, clients=4, keep_alive=False) as load:
                for _ in range(3):
                    load.flows()
                    server.terminate()
                    assert server.wait_exit() == 0
                    server = start()
                    server.wait_ready(2)
                load.flows()
                load.assert_nothing_failed(at_least=80)
        finally:
            del program[:4]


def test_the_reload_of_the_units_asks_the_right_server(launch, app, program, tmp_path):
    """As systemd would run it: the socket is where the server opens it, and a reload that fails is one that systemd sees."""
    service = (UNITS / "rgun.service").read_text()
    runtime = re.search(r"RuntimeDirectory=(.*)", service).group(1)
    words = re.search(r"ExecReload=/usr/bin/env rgun (.*)", service).group(1).replace("%t", str(tmp_path)).split()
    (tmp_path / runtime).mkdir()
    app.write(version("one"))
    server = launch("app:app", env={"RUNTIME_DIRECTORY": str(tmp_path / runtime)})
    server.wait_ready()
    app.write("import a_module_that_nobody_has")
    done = subprocess.run([*program, *words], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "a_module_that_nobody_has" in done.stderr
    app.write(version("two"))
    assert subprocess.run([*program, *words], capture_output=True, timeout=30).returncode == 0
    assert server.get().text == "two"

"""`rgun ctl`: the server answers what an operator asks, and does it."""

import json
import os
import re
import signal
import socket
import stat
import subprocess

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
        assert "the time is over" in control("wait-idle", "--timeout", 0.2, code=1).stderr
        (app.path / "open").touch()
        assert client.response().status == 200
    eventually(lambda: sum(worker["requests"] for worker in control.status()["workers"]) == 1, "the request is counted")


BLOCKS = """
import asyncio, os

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError
    while scope["path"] == "/slow" and not os.path.exists("open"):
        await asyncio.sleep(0.005)
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""


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
    assert "Thread MainThread" in control("stacks", 1).stdout
    assert "no worker in slot 7" in control("stacks", 7, code=1).stderr


def test_stacks_of_a_worker_that_is_stuck(control, app):
    server = control.start(1, text=BLOCKS.replace("await asyncio.sleep(0.005)", "import time; time.sleep(0.005)"))
    with server.connect() as client:
        client.request("GET", "/slow")
        eventually(lambda: in_flight(control) == 1, "the app has the worker")
        told = control("stacks").stdout
        assert ", asked by signal)" in told and 'app.py", line' in told
        (app.path / "open").touch()
        assert client.response().status == 200
    server.freeze(server.ready_pids()[0])
    assert "not even to a signal" in control("stacks").stdout
    os.kill(server.ready_pids()[0], signal.SIGCONT)
    assert control.status()["state"] == "serving"


def test_stacks_of_wsgi_threads(control, app):
    server = control.start(1, "--threads", 2, text=WSGI)
    assert len(re.findall(r"^Thread ", control("stacks").stdout, re.M)) == 2
    with server.connect() as client, server.connect() as other:
        client.request("GET", "/one")
        eventually(lambda: in_flight(control) == 1, "one thread is busy")
        told = control("stacks").stdout
        assert "asked by signal" not in told and "time.sleep(0.005)" in told
        other.request("GET", "/two")
        eventually(lambda: in_flight(control) == 2, "both threads are busy")
        told = control("stacks").stdout
        assert ", asked by signal)" in told and told.count("app.py") == 2
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
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
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
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path / "nowhere")}
    environment.pop("RUNTIME_DIRECTORY", None)
    server = launch("app:app", env=environment)
    server.wait_ready()
    assert [line for line in server.log.lines if "no control socket" in line][0].count("[INFO]") == 1


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


def test_usage_teaches(program):
    run = lambda *words: subprocess.run([*program, "ctl", *words], capture_output=True, text=True, timeout=30)  # noqa: E731
    assert run().returncode == 2 and run("explode").returncode == 2
    text = run("reload", "--help")
    assert text.returncode == 0 and "rgun ctl reload || exit 1" in text.stdout

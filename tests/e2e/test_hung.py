"""Workers that hang, wholly or in one of their threads: the log about them, and their replacement."""

import os
import re
import signal
import subprocess

import pytest
from harness import processes
from harness.waiting import eventually, stays

pytestmark = pytest.mark.both_artifacts

BLOCKS = """
import asyncio, os, time
def forgotten_await():
    while not os.path.exists("open"):
        time.sleep(0.01)
async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/blocks":
        forgotten_await()
    if scope["path"] == "/waits":
        print("waiting", flush=True)
        while not os.path.exists("open"):
            await asyncio.sleep(0.01)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""

THREADS = """
import os, threading, time
def the_place_where_it_hangs():
    while not os.path.exists("open"):
        time.sleep(0.01)
def app(environ, start_response):
    if environ["PATH_INFO"] == "/hangs":
        the_place_where_it_hangs()
    if environ["PATH_INFO"] == "/long":
        print("long begun", flush=True)
        start_response("200 OK", [])
        def steps():
            while not os.path.exists("long"):
                time.sleep(0.02)
                yield b"."
            yield b"done"
        return steps()
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
if os.path.exists("slow"):
    while not os.path.exists("boot"):
        time.sleep(0.01)
"""


def record(server, mark=0):
    """The record of a hung worker: its line, and what follows up to the next one."""
    line = server.log.wait("worker hung.*", after=mark).string
    at = server.log.lines.index(line)
    rest = []
    for other in server.log.lines[at + 1:]:
        if re.match(r"\[\d{4}-", other):
            break
        rest.append(other)
    return line, "\n".join(rest)


def test_one_record_tells_everything(serve, app, pytestconfig):
    if pytestconfig.getoption("--interface") == "wsgi":
        pytest.skip("in threads both requests would run")
    app.write(BLOCKS)
    server = serve(None, "--timeout", "1", workers=1)
    (pid,) = server.ready_pids()
    with server.connect() as waits, server.connect() as blocks:
        waits.request("GET", "/waits?token=1", headers=[("x-request-id", "waits-1")])
        server.log.wait("waiting")
        blocks.request("GET", "/blocks?token=1", headers=[("x-request-id", "0123456789-" * 10)])
        line, stacks = record(server)
        server.log.wait(f"worker exited .*pid={pid}.*SIGKILL")
        assert waits.ending() in ("closed", "reset") and blocks.ending() in ("closed", "reset")
    assert re.search(rf"slot=0 .*pid={pid} age_ms=\d+ silent_ms=\d+", line)
    assert re.search(r'requests="GET /blocks \(\d+ ms, id 0123456789-[-0-9]{29}, running\), GET /waits \(\d+ ms, id waits-1\)"', line)
    assert "token" not in line
    assert "in forgotten_await" in stacks and "hread 0x" in stacks
    server.wait_ready(2)
    (app.path / "open").touch()
    assert int(server.get("/blocks").body) != pid


def test_a_stopped_process_is_called_so(serve):
    server = serve("hello.py", "--timeout", "2", workers=1)
    (pid,) = server.ready_pids()
    server.signal(signal.SIGSTOP, pid)
    line, stacks = record(server)
    assert 'state="stopped by a signal"' in line and stacks == ""
    server.log.wait(f"worker exited .*pid={pid}.*SIGKILL")
    server.wait_ready(2)
    assert server.get().status == 200


@pytest.mark.both_loops
@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_an_idle_worker_is_not_hung_by_the_shortest_timeout(serve, app, interface):
    app.copy("hello.py", "hello.py")
    app.write({"asgi": "from hello import app\n", "wsgi": """
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""}[interface])
    server = serve(None, "--timeout", "1", workers=2)
    # Without any request: four samples of the heartbeat.
    stays(lambda: not server.log.find("hung"), "idle workers are left alone", 4.5)


def test_without_a_timeout_nobody_is_killed(serve, app):
    app.write(BLOCKS)
    server = serve(None, "--timeout", "0", workers=1)
    (pid,) = server.ready_pids()
    with server.connect(timeout=20) as client:
        client.request(target="/blocks")
        # More than the second after which a sample is taken, twice.
        stays(lambda: processes.alive(pid) and not server.log.find("hung"), "it may take its time", 2.5)
        (app.path / "open").touch()
        assert client.response().text == str(pid)


def test_a_hung_thread_costs_nobody_else_anything(serve, app):
    app.path.joinpath("app.py").write_text(THREADS)
    server = serve(None, "--threads", "4", "--timeout", "2", "--graceful-timeout", "60", "-k", "sync", workers=1)
    (pid,) = server.ready_pids()
    (app.path / "slow").touch()
    with server.connect(timeout=30) as hangs, server.connect(timeout=30) as long:
        long.request(target="/long")
        server.log.wait("long begun")
        hangs.request(target="/hangs", headers=[("x-request-id", "the-one")])
        line, stacks = record(server)
        assert f"pid={pid}" in line and re.search(r"GET /hangs \(\d+ ms, id the-one, running\)", line)
        assert "in the_place_where_it_hangs" in stacks and stacks.count("hread 0x") >= 4
        # Its replacement still boots, and the other threads serve.
        assert [server.get().text for _ in range(4)] == [str(pid)] * 4
        mark = server.log.mark()
        (app.path / "boot").touch()
        server.log.wait("worker replaced", after=mark)
        eventually(lambda: server.get().text != str(pid), "new connections go to the new one")
        stays(lambda: processes.alive(pid), "the long request goes on", 1)
        (app.path / "long").touch()
        assert long.response().body.endswith(b"done")
        # Long before the graceful timeout.
        server.log.wait(f"worker exited .*pid={pid}.*SIGKILL", timeout=10)
        assert hangs.ending() in ("closed", "reset")
    assert not server.log.find("worker died")


def test_all_threads_hung_is_a_hung_worker(serve, app):
    app.path.joinpath("app.py").write_text(THREADS)
    server = serve(None, "--threads", "2", "--timeout", "2", "-k", "sync", workers=1)
    (pid,) = server.ready_pids()
    with server.connect(timeout=30) as one, server.connect(timeout=30) as two:
        one.request(target="/hangs")
        two.request(target="/hangs")
        _, stacks = record(server)
        assert "app.py" in stacks and "_hosted.py" not in stacks and "<rgun" not in stacks, stacks
        assert one.ending() in ("closed", "reset") and two.ending() in ("closed", "reset")
    eventually(lambda: not processes.alive(pid), "it is gone")
    eventually(lambda: server.get().text != str(pid), "another one serves")


def test_a_worker_that_somebody_else_sends_away_is_replaced_before_it_has_left(serve, app):
    app.write(BLOCKS)
    server = serve(None, workers=1)
    (pid,) = server.ready_pids()
    with server.connect(timeout=30) as client:
        client.request(target="/waits")
        server.log.wait("waiting")
        server.signal(signal.SIGTERM, pid)
        server.wait_ready(2)
        assert processes.alive(pid) and server.get().text != str(pid)
        (app.path / "open").touch()
        assert client.response().text == str(pid)
    server.log.wait(f"worker exited .*pid={pid} exit=\"code 0\"")
    assert not server.log.find("worker died|ERROR")


def cgroup():
    """A control group of the test's own with a memory limit, or None: its directory and the file that takes pids."""
    for place, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = f"{place}/rgun-test-{os.getpid()}"
        try:
            os.mkdir(group)
        except OSError:
            continue
        try:
            with open(f"{group}/{limit}", "w") as file:
                file.write(str(200 << 20))
            return group
        except OSError:
            os.rmdir(group)
    return None


GREEDY = """
import os
async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/greedy":
        hoard = []
        while True:
            hoard.append(os.urandom(1 << 20) * 4)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"fine"})
"""


def test_a_worker_without_memory_is_told_from_one_that_was_killed(serve, app, program):
    group = cgroup()
    if group is None:
        pytest.skip("no control group can be made here")
    try:
        app.write(GREEDY)
        program[:0] = ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
        try:
            server = serve(None, "--timeout", "0", workers=2)
        finally:
            del program[:4]
        mark = server.log.mark()
        server.signal(signal.SIGKILL, server.ready_pids()[0])
        assert "memory" not in server.log.wait("worker died .*SIGKILL.*", after=mark).string
        server.wait_ready(3)
        mark = server.log.mark()
        with server.connect(timeout=60) as client:
            client.request(target="/greedy")
            line = server.log.wait("worker died .*", after=mark, timeout=60).string
            assert 'exit="SIGKILL (out of memory)"' in line and "GET /greedy" in line
        server.wait_ready(4)
        assert server.get().text == "fine"
        server.end()
    finally:
        eventually(lambda: not open(f"{group}/cgroup.procs").read(), "the group is empty")
        os.rmdir(group)


def test_what_version_2_of_control_groups_counts_is_believed_once(serve, app, program, tmp_path):
    """Its file, not its kernel: the memory controller of most test machines is elsewhere."""
    command = ["unshare", "--mount", "sh", "-c", f'mount --bind {tmp_path}/group /sys/fs/cgroup && exec "$@"', "sh"]
    events = tmp_path / "group" / "memory.events"
    events.parent.mkdir()

    def count(kills):
        scratch = tmp_path / "events"
        scratch.write_text(f"low 0\nhigh 0\nmax {kills}\noom {kills}\noom_kill {kills}\noom_group_kill 0\n")
        scratch.rename(events)

    count(7)
    if subprocess.run([*command, "true"], capture_output=True).returncode != 0:
        pytest.skip("no mounts of its own can be made here")
    program[:0] = command
    try:
        server = serve("hello.py", "--timeout", "0", workers=1)
    finally:
        del program[: len(command)]
    for kills, told in ((8, 'exit="SIGKILL \\(out of memory\\)"'), (8, "exit=SIGKILL "), (9, 'exit="SIGKILL \\(out of memory\\)"')):
        mark = server.log.mark()
        count(kills)
        server.signal(signal.SIGKILL, server.ready_pids()[0])
        server.log.wait(f"worker died .*{told}", after=mark)
        server.log.wait("worker ready", after=mark)

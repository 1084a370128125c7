"""Workers that have served enough are replaced one at a time, replacement first, and no request is affected."""

import re

from harness import processes
from harness.load import Load
from harness.log import fields
from harness.waiting import eventually

LEAKY = """
hoard = []

async def app(scope, receive, send):
    if scope["path"] == "/leak":
        hoard.append(bytearray(b"x" * (64 << 20)))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
"""


def replacements(server):
    return [fields(line) for line in server.log.find(r"worker replaced")]


def assert_one_at_a_time(server):
    """Never two retirements at once, and each old worker left after its successor was ready."""
    retiring, order = None, []
    for line in server.log.lines:
        entry = fields(line)
        if "worker retires" in line:
            assert retiring is None, f"two at once: {line}\n{server.log.text()}"
            retiring = entry["pid"]
        elif "worker ready" in line:
            order.append(("ready", entry["pid"]))
        elif "worker replaced" in line:
            assert ("ready", entry["pid"]) in order, line
            assert ("left", entry["old_pid"]) not in order, line
            assert entry["old_pid"] == retiring, line
        elif "worker exited" in line:
            order.append(("left", entry["pid"]))
            retiring = None if entry["pid"] == retiring else retiring


def test_max_requests_under_load_fails_no_request(serve):
    server = serve("hello.py", "--max-requests", 50, "--max-requests-jitter", 100, "--keepalive-drain", "200ms", workers=2)
    with Load(server, clients=4, keep_alive=True) as kept, Load(server, clients=4, keep_alive=False) as fresh:
        eventually(lambda: len(replacements(server)) >= 4, "four workers were replaced under load", timeout=40)
        kept.assert_nothing_failed(at_least=200)
        fresh.assert_nothing_failed(at_least=200)
    assert_one_at_a_time(server)
    retired = [fields(line) for line in server.log.find(r"worker retires")]
    assert all(entry["reason"] == "--max-requests" for entry in retired)
    assert all(int(entry["value"]) >= int(entry["limit"]) for entry in retired)
    limits = {int(entry["limit"]) for entry in retired}
    assert all(50 <= limit <= 150 for limit in limits)
    assert not server.log.find(r"ERROR|WARNING")


def test_a_worker_with_too_much_memory_is_replaced(serve, app):
    app.write(LEAKY)
    server = serve(None, "--max-worker-memory", "100m", workers=1)
    old = server.ready_pids()
    # It is one worker: the first request that leaks is its own.
    assert server.get("/leak").status == server.get("/leak").status == 200
    entry = fields(server.log.wait(r"worker retires.*").group(0))
    assert (entry["reason"], int(entry["pid"])) == ("--max-worker-memory", old[0])
    assert int(entry["value"]) >= int(entry["limit"]) == 100 << 20
    server.log.wait(r"worker replaced")
    eventually(lambda: not processes.alive(old[0]), "the old worker is gone")
    assert server.get("/").body == b"ok"


def test_max_worker_lifetime(serve):
    server = serve("hello.py", "--max-worker-lifetime", "500ms", "--max-worker-lifetime-jitter", "1s", "--keepalive-drain", "0", workers=2)
    with Load(server, clients=2, keep_alive=False) as load:
        eventually(lambda: len(replacements(server)) >= 3, "three workers were replaced", timeout=30)
        load.assert_nothing_failed(at_least=50)
    assert_one_at_a_time(server)
    assert {entry["slot"] for entry in replacements(server)} == {"0", "1"}


def test_a_replacement_that_does_not_boot_costs_nobody(serve, app):
    server = serve("hello.py", "--max-requests", 20, "--keepalive-drain", "200ms", workers=1)
    old = server.ready_pids()
    app.write("raise RuntimeError('not deployed yet')")
    with Load(server, clients=2, keep_alive=False) as load:
        server.log.wait(r"worker failed to boot", count=2)
        load.flows()
        assert server.ready_pids() == old
        app.copy("hello.py")
        server.log.wait(r"worker replaced", timeout=30)
        load.assert_nothing_failed(at_least=20)
    assert re.search(r"RuntimeError: not deployed yet", server.log.text())

"""A bad hour in a minute (`make chaos`: five): whatever is killed, reloaded, scaled or rotated, no request fails but those in flight in
a worker that was killed, and afterwards all is as it was."""

import os
import subprocess
import time

import pytest
from harness import processes
from harness.blame import NOTES, deaths, judge
from harness.chaos import Chaos
from harness.client import Client
from harness.load import Load
from harness.waiting import eventually

SECONDS = float(os.environ.get("RGUN_CHAOS_SECONDS", "60"))
SEED = int(os.environ.get("RGUN_CHAOS_SEED", str(time.time_ns() % 1_000_000)))


def good(number):
    return f"""
import asyncio, os, time
VERSION = {number}
{NOTES}
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = (await receive())["type"]
            await send({{"type": event + ".complete"}})
            if event == "lifespan.shutdown":
                return
    begin(scope)
    if scope["path"] == "/slow":
        await asyncio.sleep(0.05)
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": str(os.getpid()).encode()}})
"""


@pytest.mark.timeout(SECONDS * 3 + 120)
def test_chaos(launch, app, program):
    print(f"RGUN_CHAOS_SEED={SEED}")
    app.write(good(0))
    # A crash is to leave no core file.
    program[:0] = ["sh", "-c", 'ulimit -c 0; exec "$@"', "sh"]
    try:
        server = launch(
            "app:app", "-w", 3, "--timeout", 5, "--graceful-timeout", 10, "--admin-bind", "127.0.0.1:0",
            "--access-logfile", "access.log", "--control-socket", "ctl",
        )
    finally:
        del program[:4]
    server.wait_ready(3)
    ctl = lambda *words: subprocess.run(  # noqa: E731
        [*program, "ctl", "--socket", str(app.path / "ctl"), *map(str, words)], capture_output=True, text=True, timeout=90,
    )
    assert ctl("wait-ready").returncode == 0
    descriptors = len(processes.descriptors(server.master))
    chaos = Chaos(server, app, good, SEED)
    began = time.monotonic()
    loads = [
        Load(server, clients=2, pause=0.004), Load(server, clients=2, keep_alive=False, pause=0.004),
        Load(server, clients=2, path="/slow"), Load(server, clients=1, keep_alive=False, path="/slow"),
    ]
    try:
        chaos.run(min(SECONDS / 4, 15))
        resident = processes.resident(server.master)
        chaos.run(SECONDS * 3 / 4)
    finally:
        for load in loads:
            load.stop()
    seconds = time.monotonic() - began
    # All is as it was.
    assert ctl("scale", 3).returncode == 0
    ready = ctl("wait-ready", "--timeout", 80)
    assert ready.returncode == 0, ready.stderr
    done = ctl("reload")
    assert done.returncode == 0, done.stderr
    eventually(lambda: len(processes.children(server.master)) == 4, "three workers and the monitor, and nobody else")
    assert processes.zombies(server.master) == []
    assert len(processes.descriptors(server.master)) == descriptors
    grown = processes.resident(server.master) - resident
    assert grown < 3 << 20, f"{grown >> 10} KiB"
    port = int(server.log.wait(r"probes and metrics address=\"?http://127\.0\.0\.1:(\d+)").group(1))
    with Client.tcp("127.0.0.1", port) as client:
        assert client.get("/-/ready", headers=[("connection", "close")]).status == 200
    server.terminate()
    assert server.wait_exit(30) == 0
    # The log is complete now: the last deaths are in it, too.
    server.log.wait_end()
    dead = deaths(server.log)
    answered = sum(load.answered for load in loads)
    blame = judge(loads, app.path / "begun", server.log)
    story = f"{chaos.done}, {len(dead)} deaths, {answered} answered, failed: {[dict(load.failures) for load in loads]}: {blame}"
    print(story)
    assert set(chaos.done) == {deed.__name__ for _, deed in chaos.deeds}, story
    assert answered > SECONDS * 20 and len(dead) > SECONDS / 6, story
    assert not blame.wrong, f"{blame.wrong}\n{story}"
    # Two workers are the fewest that serve between two deeds.
    likely = blame.likely_unseen(len(dead), seconds, workers=2)
    assert len(blame.unseen) <= likely, f"{blame.unseen}, not more than {likely:.1f} by chance\n{story}"


def test_a_killed_worker_is_back_in_the_time_that_the_app_takes(serve, app):
    imports = 1.0
    app.write(f"import time\ntime.sleep({imports})\n" + good(0))
    server = serve(workers=2)

    def needed():
        """Seconds until it is back, but for its own boot, which takes as long as the machine lets it."""
        mark, began = server.log.mark(), time.monotonic()
        server.signal(9, server.ready_pids()[0])
        died = server.log.wait("worker died", after=mark).string
        assert 'retry="at once"' in died and "delay_ms" not in died, died
        boot = int(server.log.wait(r"worker ready .*after_ms=(\d+)", after=mark).group(1)) / 1000
        assert boot >= imports
        return time.monotonic() - began - boot

    # Once more: the 0.2 s are also to be enough where others want the CPU.
    first = needed()
    assert first <= 0.2 or needed() <= 0.2, first


@pytest.mark.timeout(900)
def test_a_thousand_deaths_leave_nothing_behind(serve):
    """(In the short form: eighty.) Four at a time, so that each batch finds no worker left."""
    rounds = 250 if SECONDS >= 300 else 20
    server = serve("hello.py", "--control-socket", "ctl", workers=4)
    ready = server.wait_ready(4)
    memory = descriptors = None
    for number in range(rounds):
        if number == rounds // 4:
            memory, descriptors = processes.resident(server.master), len(processes.descriptors(server.master))
        mark = server.log.mark()
        for pid in ready.values():
            server.signal(9, pid)
        ready = server.wait_ready(4, after=mark, timeout=60)
        assert server.get().status == 200
    assert len(server.log.find("worker died")) == 4 * rounds
    assert processes.zombies(server.master) == []
    assert len(processes.children(server.master)) == 4
    eventually(lambda: len(processes.descriptors(server.master)) == descriptors, "no descriptor is left behind")
    grown = processes.resident(server.master) - memory
    print(f"{4 * rounds} deaths, {grown >> 10} KiB more")
    assert grown < 1 << 20

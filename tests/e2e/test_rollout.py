"""A new version beside the one that serves: staged, tested, promoted or discarded; no client is affected."""

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
from harness.load import Load, assert_one_version_at_a_time
from harness.waiting import eventually


@pytest.fixture
def deploy(launch, app, program, tmp_path):
    """`server, ctl = deploy(workers=2)`: version "old" serves."""

    def start(*options, workers=2):
        path = tmp_path / "ctl.sock"
        app.write(version("old"))
        server = launch("app:app", "-w", workers, "--control-socket", path, *options)
        server.wait_ready(workers)
        return server, Ctl(program, path)

    return start


def preview(ctl):
    """A connection to the address at which the staged generation answers."""
    (address,) = ctl.status()["rollout"]["preview"]
    return Client.tcp("127.0.0.1", int(address.rsplit(":", 1)[1]))


def stage(ctl, *words):
    said = ctl("stage", "--bind", "127.0.0.1:0", *words)
    assert re.search(r"staged: generation \d+ is ready, \d+ workers, preview at http://127\.0\.0\.1:\d+", said)


@pytest.mark.both_artifacts
def test_a_staged_version_is_looked_at_and_promoted_under_load(app, deploy):
    server, ctl = deploy()
    app.write(version("new"))
    with Load(server, clients=4) as kept, Load(server, clients=2, keep_alive=False) as fresh:
        kept.flows(20)
        stage(ctl)
        for _ in range(20):
            with preview(ctl) as client:
                assert client.get().text == "new"
        kept.flows(50)
        fresh.flows(50)
        assert set(kept.bodies()) | set(fresh.bodies()) == {b"old"}
        status = ctl.status()
        assert (status["state"], status["generation"], status["rollout"]["state"]) == ("serving", 1, "staged")
        assert len(ctl.workers(1)) == 2 and len(ctl.workers(2, "standby")) == 2
        assert "generation 2 staged, preview at http://127.0.0.1:" in ctl("status")
        assert "generation 2 serves" in ctl("promote")
        fresh.flows(50)
        kept.flows(50)
    kept.assert_nothing_failed(at_least=100)
    fresh.assert_nothing_failed(at_least=100)
    assert_one_version_at_a_time(fresh, b"old", b"new")
    assert ctl.status().get("rollout") is None and ctl.status()["generation"] == 2


def test_the_preview_ends_with_the_promotion_and_loses_nobody(app, deploy):
    server, ctl = deploy()
    app.write(version("new"))
    stage(ctl)
    with preview(ctl) as kept:
        (address,) = ctl.status()["rollout"]["preview"]
        port = int(address.rsplit(":", 1)[1])
        assert kept.get().text == "new"
        ctl("promote")
        # Open preview connections go on, and no new ones are accepted.
        assert kept.get().text == "new"
    eventually(lambda: _refused(port), "nobody listens at the preview's address")
    assert server.get().text == "new"
    assert not [line for line in server.log.find("ERROR|error")], server.log.text()


def _refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return True
    return False


def test_a_staged_version_is_discarded(app, deploy):
    server, ctl = deploy()
    serving, before = ctl.workers(1), len(processes.descriptors(server.master))
    app.write(version("new"))
    with Load(server, clients=2) as load:
        for generation in (2, 3, 4):
            stage(ctl)
            staged = ctl.workers(generation, "standby")
            assert f"discarded: generation {generation}" in ctl("discard")
            eventually(lambda: not any(processes.alive(pid) for pid in staged), "the staged workers have ended")
        load.flows(20)
    load.assert_nothing_failed()
    assert set(load.bodies()) == {b"old"} and ctl.workers(1) == serving
    eventually(lambda: len(processes.descriptors(server.master)) <= before, "nothing leaks")
    assert "nothing is staged" in ctl("promote", code=1)
    assert "nothing is staged" in ctl("discard", code=1)


def test_a_version_that_does_not_boot_is_not_staged(app, deploy):
    server, ctl = deploy()
    app.write(IMPORT_ERROR)
    said = ctl("stage", "--bind", "127.0.0.1:0", code=1)
    assert "not staged, the server is as it was" in said and "ModuleNotFoundError" in said
    app.write(version("new"))
    stage(ctl)
    ctl("promote")
    assert server.get().text == "new"


def test_an_address_that_cannot_be_had_changes_nothing(app, deploy):
    server, ctl = deploy(workers=1)
    taken = f"127.0.0.1:{server.port}"
    for address, why in ((taken, "address already in use|Address already in use"), ("fd://3", "passed in"), ("nonsense:x", "nonsense:x"), ("name.invalid:0", "looks up no names; write the address in numbers")):
        assert re.search(why, ctl("stage", "--bind", address, code=1))
    assert ctl.status()["generation"] == 1 and ctl.status().get("rollout") is None
    path = app.path / "preview.sock"
    assert "preview at unix:" in ctl("stage", "-b", f"unix:{path}")
    with Client.unix(str(path)) as client:
        assert client.get().text == "old"
    ctl("discard")
    eventually(lambda: not path.exists(), "its file is removed")


def test_one_rollout_at_a_time(app, deploy):
    server, ctl = deploy(workers=1)
    ctl("stage")
    for words in (("reload",), ("stage", "--bind", "127.0.0.1:0")):
        assert "generation 2 is staged: `rgun ctl promote` or `rgun ctl discard` first" in ctl(*words, code=1)
    server.signal(signal.SIGHUP)
    server.log.wait("reload refused: a generation is staged")
    ctl("discard")
    assert "generation 3 serves" in ctl("reload")


def test_a_staged_version_that_loses_a_worker_is_removed(app, deploy):
    server, ctl = deploy()
    ctl("stage")
    victim, other = ctl.workers(2, "standby")
    os.kill(victim, signal.SIGKILL)
    server.log.wait("stage rolled back")
    eventually(lambda: not processes.alive(other), "the staged generation has ended")
    assert "nothing is staged" in ctl("promote", code=1)
    assert "died" in ctl.status()["reloads"]["last_failure"]
    assert len(ctl.workers(1)) == 2


def test_serving_workers_are_replaced_beside_a_stage(app, deploy):
    server, ctl = deploy()
    ctl("stage")
    killed = ctl.workers(1)[0]
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: len(ctl.workers(1)) == 2 and killed not in ctl.workers(1), "the killed worker is replaced")
    assert "slot 1 has a new worker" in ctl("restart-worker", 1)
    ctl("wait-ready")
    ctl("promote")
    assert len(ctl.workers(2)) == 2


def test_the_server_stops_with_a_stage(app, deploy):
    server, ctl = deploy()
    stage(ctl)
    with preview(ctl) as client:
        assert client.get().text == "old"
        server.terminate()
        assert server.wait_exit() == 0


def test_a_killed_master_takes_a_stage_with_it(app, deploy):
    server, ctl = deploy()
    stage(ctl)
    everybody = [one["pid"] for one in ctl.status()["workers"]]
    server.signal(signal.SIGKILL)
    eventually(lambda: not any(processes.alive(pid) for pid in everybody), "all workers have ended")


# Canaries.

BAD = """
import os

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = (await receive())["type"]
            await send({"type": event + ".complete"})
            if event == "lifespan.shutdown":
                return
    if scope["path"] == "/raises":
        raise RuntimeError("new code")
    status = 500 if scope["path"] == "/fails" else 200
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"new"})
"""


def test_a_canary_serves_in_its_slots_and_is_promoted(app, deploy):
    server, ctl = deploy(workers=4)
    app.write(version("new"))
    with Load(server, clients=4) as kept, Load(server, clients=2, keep_alive=False) as fresh:
        assert "canary: generation 2 serves in 1 of 4 slots" in ctl("canary", "25%")
        eventually(lambda: fresh.bodies()[b"new"] and fresh.bodies()[b"old"], "both versions answer")
        assert (len(ctl.workers(1)), len(ctl.workers(2)), len(ctl.workers(1, "paused"))) == (3, 1, 1)
        assert "generation 2 canary in 1 of 4 slots" in ctl("status")
        assert "serves in 2 of 4 slots" in ctl("canary", 2)
        assert "has 2 slots already" in ctl("canary", 1, code=1)
        assert "is a canary" in ctl("reload", code=1)
        assert "generation 2 serves" in ctl("promote")
        before = fresh.bodies()[b"old"]
        fresh.flows(50)
        assert fresh.bodies()[b"old"] - before <= 4
        kept.flows(20)
    kept.assert_nothing_failed(at_least=50)
    fresh.assert_nothing_failed(at_least=50)
    eventually(lambda: len(server.children()) == 4, "the paused worker has ended")
    assert len(ctl.workers(2)) == 4


def test_a_canary_is_taken_back_by_the_workers_that_were_there(app, deploy):
    server, ctl = deploy(workers=2)
    serving = sorted(ctl.workers(1))
    app.write(version("new"))
    with Load(server, clients=3) as kept, Load(server, clients=2, keep_alive=False) as fresh:
        ctl("canary", 1)
        eventually(lambda: fresh.bodies()[b"new"], "the canary answers")
        # What lies on the disk does not matter.
        app.write(IMPORT_ERROR)
        for verb in ("discard",):
            assert "generation 2 was taken back: generation 1 serves" in ctl(verb)
        seen = fresh.bodies()[b"new"]
        fresh.flows(100)
        assert fresh.bodies()[b"new"] <= seen + 2
        kept.flows(10)
    kept.assert_nothing_failed(at_least=50)
    fresh.assert_nothing_failed(at_least=50)
    assert sorted(ctl.workers(1)) == serving


def test_a_canary_that_fails_is_taken_back_with_the_reason(app, deploy):
    server, ctl = deploy(workers=2)
    app.write(BAD)
    with Load(server, clients=2, keep_alive=False, path="/fails", expect=None) as load:
        load.flows(20)
        judged = ctl.begin("canary", "1", "--auto", "--for", "60", "--requests", "50")
        said = judged.end(code=3, timeout=50)
    assert "generation 2 was taken back, generation 1 serves: the canary has" in said and "answers with 5xx" in said
    assert {one.status for one in load.exchanges} == {200, 500}
    assert not load.lost
    assert "canary verdict" in server.log.text()
    assert ctl.status()["generation"] == 1 and len(ctl.workers(1)) == 2


def test_a_canary_whose_app_raises_is_taken_back(app, deploy):
    server, ctl = deploy(workers=2)
    app.write(BAD)
    with Load(server, clients=2, keep_alive=False, path="/raises", expect=None) as load:
        said = ctl.begin("canary", "1", "--auto", "--for", "60", "--requests", "50").end(code=3, timeout=50)
    assert "5xx" in said or "exceptions" in said
    assert not load.lost


def test_a_canary_that_is_well_is_promoted_by_itself(app, deploy):
    server, ctl = deploy(workers=2)
    app.write(version("new"))
    with Load(server, clients=3) as kept, Load(server, clients=2, keep_alive=False) as fresh:
        said = ctl.begin("canary", "50%", "--auto", "--for", "3", "--requests", "50").end(code=0, timeout=50)
        assert re.search(r"generation 2 serves; the canary was not worse: \d+ requests, 0 answers with 5xx, 0 exceptions, p95 .*; the other generation: \d+ requests", said)
        fresh.flows(20)
    kept.assert_nothing_failed(at_least=50)
    fresh.assert_nothing_failed(at_least=50)
    assert len(ctl.workers(2)) == 2


def test_a_canary_without_requests_is_taken_back(app, deploy):
    server, ctl = deploy(workers=2)
    said = ctl.begin("canary", "1", "--auto", "--for", "1").end(code=3, timeout=50)
    assert "has answered 0 requests in its time, not 100" in said
    for words in (("2", "--auto"), ("99",), ("100%",)):
        assert "the server has 2 slots, and a canary leaves at least one" in ctl("canary", *words, code=1)
    assert "no number of slots" in ctl("canary", "none", code=1)
    ctl("canary", 1, "--for", "yesterday", code=2)


def test_a_canary_ends_with_its_time(app, deploy):
    server, ctl = deploy(workers=2)
    ctl("canary", 1, "--for", "500ms")
    server.log.wait("generation taken back")
    assert len(ctl.workers(1)) == 2
    assert "the canary expired without being promoted" in ctl.status()["reloads"]["last_failure"]


def test_a_canary_that_does_not_boot_changes_nothing(app, deploy):
    server, ctl = deploy(workers=2)
    app.write(IMPORT_ERROR)
    assert "ModuleNotFoundError" in ctl("canary", 1, code=1)
    assert len(ctl.workers(1)) == 2


def test_a_staged_version_becomes_a_canary(app, deploy):
    server, ctl = deploy(workers=2)
    app.write(version("new"))
    stage(ctl)
    ctl("canary", 1)
    with preview(ctl) as client:
        assert client.get().text == "new"
    ctl("promote")
    assert server.get().text == "new"


# Back from a version that serves.

def roll_back_to_what_the_disk_lacks(server, ctl, app, kept, fresh):
    """Within a second, and no new connection meets the version that was taken back."""
    app.write(IMPORT_ERROR)
    mark = server.log.mark()
    assert "generation 2 was taken back: generation 1 serves" in ctl("rollback")
    server.log.wait("generation taken back", after=mark)
    began, ended = (next(n for n in range(mark, len(server.log.lines)) if words in server.log.lines[n]) for words in ("taking a", "taken back"))
    assert server.log.times[ended] - server.log.times[began] < 1.0
    seen = fresh.bodies()[b"new"]
    fresh.flows(50)
    kept.flows(50)
    assert fresh.bodies()[b"new"] <= seen + 2


def test_rollback_needs_no_file_and_less_than_a_second(app, deploy):
    server, ctl = deploy("--rollback-window", "60", workers=2)
    serving = sorted(ctl.workers(1))
    with Load(server, clients=4) as kept, Load(server, clients=2, keep_alive=False) as fresh:
        app.write(version("new"))
        ctl("reload")
        fresh.flows(20)
        assert sorted(ctl.workers(1, "paused")) == serving
        assert "generation 1 kept for a rollback" in ctl("status")
        roll_back_to_what_the_disk_lacks(server, ctl, app, kept, fresh)
    kept.assert_nothing_failed(at_least=50)
    fresh.assert_nothing_failed(at_least=50)
    assert sorted(ctl.workers(1)) == serving and ctl.status()["generation"] == 1
    assert "no generation is kept for a rollback: generation 2 was taken back already, generation 1 serves" in ctl("rollback", code=1)


def test_rollback_forks_from_a_kept_mold_whatever_is_on_the_disk(app, deploy):
    server, ctl = deploy("--preload", "--rollback-window", "60", "--rollback-keep", "mold", workers=2)
    with Load(server, clients=4) as kept, Load(server, clients=2, keep_alive=False) as fresh:
        app.write(version("new"))
        ctl("reload")
        eventually(lambda: {one["generation"] for one in ctl.status()["workers"]} == {2}, "the replaced workers have ended")
        assert ctl.status()["previous"]["kept"] == "mold"
        assert re.search(r"generation 1 kept for a rollback for .+ \(mold\)", ctl("status"))
        fresh.flows(20)
        roll_back_to_what_the_disk_lacks(server, ctl, app, kept, fresh)
    kept.assert_nothing_failed(at_least=50)
    fresh.assert_nothing_failed(at_least=50)
    assert server.get().text == "old" and len(ctl.workers(1)) == 2


def test_a_rollback_whose_workers_do_not_boot_leaves_the_version_that_serves(app, deploy):
    server, ctl = deploy("--preload", "--rollback-window", "60", "--rollback-keep", "mold", "--ready-path", "/healthz", workers=2)
    app.write(version("1", health="503 if os.path.exists('schema') else 200"))
    ctl("reload")
    app.write(version("2"))
    ctl("reload")
    (app.path / "schema").touch()
    said = ctl("rollback", code=1)
    assert "not taken back, generation 3 serves" in said and "--ready-path" in said
    server.log.wait("rollback failed, the generation serves on")
    assert server.get().text == "2"
    (app.path / "schema").unlink()
    assert "generation 2 serves" in ctl("rollback")
    assert server.get().text == "1"


def test_a_mold_that_has_ended_is_kept_no_more(app, deploy):
    server, ctl = deploy("--preload", "--rollback-window", "60", "--rollback-keep", "mold", workers=1)
    (mold,) = set(server.children()) - set(server.ready_pids())
    ctl("reload")
    os.kill(mold, signal.SIGKILL)
    server.log.wait("generation kept no more")
    assert "what was kept has ended" in ctl("rollback", code=1)
    assert server.get().text == "old"


def test_a_mold_is_kept_only_where_it_has_the_app(program):
    run = subprocess.run([*program, "app:app", "--check-config", "--rollback-window", "60", "--rollback-keep", "mold"], capture_output=True, text=True, timeout=30)
    assert run.returncode == 1 and "--rollback-keep: `mold` needs --preload" in run.stderr


def test_what_is_kept_ends_with_the_window(app, deploy):
    server, ctl = deploy("--rollback-window", "500ms", workers=2)
    ctl("reload")
    server.log.wait("generation kept no more")
    eventually(lambda: len(server.children()) == 2, "the kept workers have ended")
    assert "no generation is kept for a rollback: --rollback-window (0.5 s) is over" in ctl("rollback", code=1)


def test_a_rollback_by_an_operator_is_no_failed_reload(app, deploy):
    server, ctl = deploy("--rollback-window", "60", workers=1)
    assert "no other one has served" in ctl("rollback", code=1)
    ctl("reload")
    app.write(IMPORT_ERROR)
    ctl("reload", code=1)
    before = ctl.status()["reloads"]
    assert before["failed"] == 1 and before["last_failure"]
    ctl("rollback")
    after = ctl.status()["reloads"]
    assert after["failed"] == 1 and not after.get("last_failure")
    assert "a_module_that_nobody_has" not in ctl("status")


def test_the_server_stops_with_what_is_kept(app, deploy):
    server, ctl = deploy("--rollback-window", "60", workers=2)
    ctl("reload")
    server.terminate()
    assert server.wait_exit() == 0


def test_a_request_in_flight_is_finished_by_a_paused_worker(app, deploy):
    server, ctl = deploy("--rollback-window", "60", workers=1)
    app.copy("gate.py")
    ctl("reload")
    with server.connect() as slow:
        slow.request(target="/wait")
        server.log.wait("request waits")
        app.write(version("new"))
        ctl("reload")
        assert server.get().text == "new"
        (app.path / "open").touch()
        assert slow.response().text == "waited"
    ctl("rollback")
    assert ctl.status()["generation"] == 2

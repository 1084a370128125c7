"""A new version beside the one that serves: staged, looked at, promoted or discarded; and no client notices."""

import os
import re
import signal
import socket

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
        # Whoever looks goes on, and nobody new comes.
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
    for address, why in ((taken, "address already in use|Address already in use"), ("fd://3", "passed in"), ("nonsense:x", "nonsense:x")):
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
    server.log.wait("reload rolled back")
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

"""Deploys in a row under traffic of every kind (`make deploys`): no request is lost, and the master is at the end what it was at first."""

import os
import time

import pytest
from harness import processes
from harness.client import Client
from harness.ctl import Ctl
from harness.deploys import Deploys, app as first_app
from harness.server import Server
from harness.tls import Authority
from harness.traffic import Traffic
from harness.waiting import eventually

COUNT = int(os.environ.get("RGUN_DEPLOYS", "0"))
SEED = int(os.environ.get("RGUN_DEPLOYS_SEED", str(time.time_ns() % 1_000_000)))
UPLOAD = int(os.environ.get("RGUN_DEPLOYS_UPLOAD", str(1 << 20)))


@pytest.mark.skipif(not COUNT, reason="make deploys")
@pytest.mark.timeout(COUNT * 20 + 300)
def test_deploys_lose_nothing(program, app, tmp_path):
    print(f"RGUN_DEPLOYS={COUNT} RGUN_DEPLOYS_SEED={SEED}")
    authority = Authority(tmp_path / "ca")
    chain, key = authority.issue("site", hosts=("localhost",))
    link = tmp_path / "bin" / "rgun"
    link.parent.mkdir()
    link.symlink_to(program[0])
    app.write(first_app("first"))
    app.write('bind = ["127.0.0.1:0,plain", "127.0.0.1:0,tls"]\n', "rgun.toml")
    words = ["-w", 2, "--loop", "asyncio", "--boot-timeout", 10, "--upgrade-timeout", 10, "--graceful-timeout", 10, "--ready-path", "/healthz"]
    files = tmp_path / "files"
    files.mkdir()
    words += ["--static", f"/files={files}", "--certfile", chain, "--keyfile", key, "--control-socket", tmp_path / "ctl"]
    server = Server([str(link)], app.path, "app:app", *map(str, words), bind=None)
    try:
        server.wait_ready(2)
        # What asks and what serves is not the same file: that one is replaced by bad programs.
        ctl = Ctl(program, tmp_path / "ctl")
        listeners = ctl.status()["listeners"]
        port, tls_port = (int(next(one for one in listeners if one.startswith(f"{scheme}:")).rsplit(":", 1)[1]) for scheme in ("http", "https"))
        deploys = Deploys(app, server, ctl, link, lambda: Client.tcp("127.0.0.1", port), SEED)
        began = time.monotonic()
        with Traffic(port, tls_port, authority, files, UPLOAD) as traffic:
            deploys.run(min(10, COUNT // 5))
            first = deploys.settle()
            deploys.run(COUNT - min(10, COUNT // 5))
            if deploys.extra:
                deploys.addresses()
            last = deploys.settle()
        seconds = time.monotonic() - began
        answered = sum(traffic.answered.values())
        print(f"{dict(deploys.done)}, canaries: {dict(deploys.verdicts)}\n{dict(traffic.answered)}")
        print(
            f"{COUNT} deploys in {seconds:.0f} s, {answered} requests, {len(traffic.lost)} lost; "
            f"sessions resumed {traffic.resumed[True]}, not {traffic.resumed[False]}; "
            f"descriptors {first[0]} then {last[0]}, resident {first[1] >> 10} then {last[1] >> 10} KiB"
        )
        assert not traffic.lost, traffic.lost[:5]
        slow = traffic.answered.pop("streams of events")
        assert slow > COUNT // 4 and len(traffic.answered) == 9 and min(traffic.answered.values()) > COUNT, traffic.answered
        assert traffic.resumed[True] >= 99 * traffic.resumed[False], traffic.resumed
        assert ctl.status()["pid"] == server.master
        assert last[0] == first[0], processes.descriptors(server.master)
        assert last[1] - first[1] < 2 << 20
        eventually(lambda: not processes.zombies(server.master), "no zombie is left")
        server.terminate()
        assert server.wait_exit() == 0
    finally:
        server.end()

"""What programs see of a rollout: events in the log, and metrics by generation."""

import json

import pytest
from harness.client import Client
from harness.ctl import Ctl
from harness.load import Load
from harness.waiting import eventually

VERSION = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({{"type": "http.response.start", "status": {status}, "headers": []}})
    await send({{"type": "http.response.body", "body": b"x"}})
"""


@pytest.fixture
def observed(launch, app, program, tmp_path):
    app.write(VERSION.format(status=200))
    options = ["--log-format", "json", "--admin-bind", "127.0.0.1:0", "--control-socket", tmp_path / "ctl"]
    server = launch("app:app", "-w", 2, *options)
    server._port = int(server.log.wait(r'"message":"listening".*"address":"http://[\d.]+:(\d+)"').group(1))
    server.log.wait('"event":"server_ready"')
    return server, Ctl(program, tmp_path / "ctl")


def events(server):
    records = (json.loads(line) for line in server.log.lines if line.startswith("{"))
    return [record for record in records if "event" in record]


def metrics(server):
    port = int(server.log.wait(r'"probes and metrics".*?127\.0\.0\.1:(\d+)').group(1))
    with Client.tcp("127.0.0.1", port) as client:
        text = client.get("/-/metrics", headers=[("connection", "close")]).text
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def test_a_canary_that_is_worse(app, observed):
    server, ctl = observed
    app.write(VERSION.format(status=500))
    with Load(server, keep_alive=False, expect=None):
        verdict = ctl.begin("canary", "1", "--auto", "--requests", "50", "--for", "60")

        def both():
            found = metrics(server)
            # The old one has a worker that is paused.
            workers = [found.get(f'rgun_generation_workers{{generation="{n}"}}') for n in (1, 2)]
            return workers[0] == 2 and found.get('rgun_generation_requests_total{generation="2",class="5xx"}', 0) > 0 and found

        found = eventually(both, "both generations are counted") or metrics(server)
        assert found['rgun_generation_requests_total{generation="1",class="2xx"}'] > 0
        assert found['rgun_generation_requests_total{generation="1",class="5xx"}'] == 0
        assert found['rgun_generation_request_duration_seconds_count{generation="1"}'] > 0
        verdict.end(code=3)
    seen = events(server)
    names = [record["event"] for record in seen]
    order = ["server_ready", "rollout_started", "canary_started", "canary_verdict", "rollback_started", "rollback_finished"]
    assert [name for name in names if name in order] == order, names
    (judged,) = [record for record in seen if record["event"] == "canary_verdict"]
    assert judged["generation"] == 2 and judged["errors"] > 0 and judged["old_errors"] == 0
    eventually(lambda: not any('generation="2"' in name and "_gc_" not in name for name in metrics(server)), "the series of a generation end")


def test_a_promotion(app, observed):
    server, ctl = observed
    ctl("stage")
    ctl("promote")
    app.write("nothing = 1\n")
    ctl("reload", code=1)
    expected = ["stage_started", "rollout_started", "generation_staged", "promotion_started", "rollout_promoted", "rollout_started", "rollout_failed"]
    about = ("rollout", "stage", "generation", "promotion")
    eventually(lambda: [record["event"] for record in events(server) if record["event"].startswith(about)] == expected, "all steps are logged")

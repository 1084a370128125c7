"""The leader: one worker for what is to be done once, and another one when it is gone."""

import json
import os
import signal

import pytest
from harness import processes
from harness.waiting import eventually

ASGI = """
import json, os, rgun

BOOTED = os.environ.get("RGUN_LEADER")

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError
    facts = {"pid": os.getpid(), "booted": BOOTED, "flag": scope.get("rgun.leader", False), "asked": rgun.is_leader()}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(facts).encode()})
"""
WSGI = """
import json, os, rgun

BOOTED = os.environ.get("RGUN_LEADER")

def app(environ, start_response):
    facts = {"pid": os.getpid(), "booted": BOOTED, "flag": environ.get("rgun.leader", False), "asked": rgun.is_leader()}
    start_response("200 OK", [])
    return [json.dumps(facts).encode()]
"""


class Workers:
    """What each worker says of itself."""

    def __init__(self, server, count):
        self.server, self.count = server, count

    def facts(self):
        """Of all that serve, by pid; those that have left meanwhile do not count."""
        found = {}

        def all_found():
            facts = json.loads(self.server.get("/").text)
            found[facts["pid"]] = facts
            for pid in [pid for pid in found if not processes.alive(pid)]:
                del found[pid]
            return len(found) >= self.count

        eventually(all_found, "every worker has answered")
        return found

    def leader(self):
        """The one pid whose both flags say so, once none is in between."""

        def one():
            leaders = [pid for pid, facts in self.facts().items() if facts["flag"] and facts["asked"]]
            others = [pid for pid, facts in self.facts().items() if facts["flag"] or facts["asked"]]
            return leaders if len(leaders) == 1 and leaders == others else None

        return eventually(one, "there is exactly one leader")[0]


@pytest.mark.parametrize("text", [ASGI, WSGI], ids=["asgi", "wsgi"])
def test_one_leads_and_another_one_when_it_is_killed(launch, app, text):
    app.write(text)
    server = launch("app:app", "-w", 3)
    server.wait_ready(3)
    workers = Workers(server, 3)
    leader = workers.leader()
    assert leader == server.wait_ready(3)[0]
    booted = {pid: facts["booted"] for pid, facts in workers.facts().items()}
    assert booted.pop(leader) == "1" and set(booted.values()) == {None}
    # It does not serve any more, and its replacement does not yet.
    mark = server.log.mark()
    os.kill(leader, signal.SIGKILL)
    server.wait_ready(1, after=mark)
    heir = workers.leader()
    assert heir != leader and not processes.alive(leader)


def test_another_one_leads_while_the_first_slot_is_empty(launch, app):
    app.write(ASGI)
    server = launch("app:app", "-w", 3)
    pids = server.wait_ready(3)
    workers = Workers(server, 3)
    assert workers.leader() == pids[0]
    app.write("raise SystemExit(3)")
    os.kill(pids[0], signal.SIGKILL)
    server.log.wait("worker failed to boot")
    workers.count = 2
    assert workers.leader() == pids[1]


def test_reload_hands_over(launch, app):
    app.write(ASGI)
    server = launch("app:app", "-w", 2)
    old = server.wait_ready(2)
    workers = Workers(server, 2)
    assert workers.leader() == old[0]
    mark = server.log.mark()
    assert "succeeded" in server.reload().group()
    new = server.wait_ready(2, after=mark)
    eventually(lambda: not any(processes.alive(pid) for pid in old.values()), "the old ones have left")
    assert workers.leader() == new[0]
    assert {facts["booted"] for facts in workers.facts().values()} == {None, "1"}


def test_with_a_mold(launch, app):
    app.write(ASGI.replace('BOOTED = os.environ.get("RGUN_LEADER")', "").replace("BOOTED", 'os.environ.get("RGUN_LEADER")'))
    server = launch("app:app", "-w", 2, "--preload")
    pids = server.wait_ready(2)
    workers = Workers(server, 2)
    assert workers.leader() == pids[0]
    assert workers.facts()[pids[0]]["booted"] == "1"


def test_what_the_leader_starts_does_not_lead(launch, app):
    app.write(ASGI.replace("async def app", """
def child():
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, b"1" if rgun.is_leader() else b"0")
        os._exit(0)
    os.wait()
    return os.read(read, 1) == b"1"

async def app""").replace('"asked": rgun.is_leader()', '"asked": rgun.is_leader(), "child": child()'))
    server = launch("app:app")
    server.wait_ready(1)
    facts = json.loads(server.get("/").text)
    assert facts["asked"] and not facts["child"]


def test_outside_of_a_server_nobody_leads():
    import rgun

    assert rgun.is_leader() is False

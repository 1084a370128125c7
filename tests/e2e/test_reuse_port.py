"""`--reuse-port`: sockets that belong to slots and outlive their workers."""

import re
import signal
from collections import Counter

import pytest
from harness import processes
from harness.apps import version
from harness.load import Load
from harness.waiting import eventually

pytestmark = pytest.mark.both_artifacts

PID = """
import os
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""


def listening(port):
    """The inodes of sockets that listen there."""
    with open("/proc/net/tcp") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    return {row[9] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")}


def all_listening(server, count):
    """A slot's socket listens once its worker may accept."""
    eventually(lambda: len(listening(server.port)) == count, f"{count} sockets listen")
    return listening(server.port)


def held(pid, inodes):
    found = {re.sub(r"\D", "", link) for link in processes.descriptors(pid).values() if link.startswith("socket:")}
    return found & inodes


def test_each_slot_has_a_socket_of_its_own(serve, app):
    app.write(PID)
    server = serve(None, "--reuse-port", workers=3)
    inodes = all_listening(server, 3)
    assert held(server.master, inodes) == inodes
    each = [held(pid, inodes) for pid in server.ready_pids()]
    assert [len(own) for own in each] == [1, 1, 1] and len(set.union(*each)) == 3
    # The kernel's choice is by hash: everybody gets some.
    assert len(Counter(server.get().text for _ in range(200))) == 3
    with open("/proc/sys/net/ipv4/tcp_migrate_req") as file:
        warned = file.read().strip() != "1"
    assert bool(server.log.find("tcp_migrate_req")) == warned


def test_without_the_option_there_is_one(serve):
    server = serve("hello.py", workers=3)
    assert len(listening(server.port)) == 1 and not server.log.find("tcp_migrate_req")


def test_a_socket_outlives_its_worker(serve, app):
    """What waits at the socket of a worker that is killed is served by its successor."""
    app.write(version("one", before="while os.path.exists('wait'): time.sleep(0.005)"))
    server = serve(None, "--reuse-port", workers=2)
    before = all_listening(server, 2)
    (app.path / "wait").touch()
    mark = server.log.mark()
    for pid in server.ready_pids():
        server.signal(signal.SIGKILL, pid)
    server.log.wait("worker died", after=mark, count=2)
    clients = [server.connect(timeout=20) for _ in range(20)]
    for client in clients:
        client.request()
    (app.path / "wait").unlink()
    for client in clients:
        assert client.response().text == "one"
        client.close()
    assert all_listening(server, 2) == before


def test_a_reload_and_more_workers_lose_nothing(serve, app):
    app.write(version("one"))
    server = serve(None, "--reuse-port", workers=2)
    with Load(server, clients=3, keep_alive=False) as load, Load(server, clients=3) as kept:
        load.flows()
        app.write(version("two"))
        assert "succeeded" in server.reload().string
        mark = server.log.mark()
        server.signal(signal.SIGTTIN)
        server.wait_ready(1, after=mark)
        all_listening(server, 3)
        load.flows()
        kept.flows()
    load.assert_nothing_failed(at_least=40)
    kept.assert_nothing_failed(at_least=20)
    assert server.get().text == "two"


def test_a_slot_that_is_given_up_is_emptied_and_closed(serve, app):
    app.write(PID)
    server = serve(None, "--reuse-port", workers=3)
    all_listening(server, 3)
    with Load(server, clients=4, keep_alive=False) as load:
        load.flows()
        mark = server.log.mark()
        server.signal(signal.SIGTTOU)
        server.log.wait("worker exited slot=2", after=mark)
        all_listening(server, 2)
        load.flows(200)
    load.stop()
    # A handshake in the moment of the close is the kernel's to reset, unless net.ipv4.tcp_migrate_req is set.
    assert sum(load.failures.values()) <= 2, load.details
    assert len(Counter(server.get().text for _ in range(100))) == 2


def test_the_port_can_be_shared_with_another_server(serve, launch):
    one = serve("hello.py", "--reuse-port", workers=1)
    other = launch("app:app", "--reuse-port", bind=f"127.0.0.1:{one.port}")
    other.wait_ready()
    all_listening(one, 2)
    third = launch("app:app", bind=f"127.0.0.1:{one.port}")
    assert third.wait_exit() == 1
    assert "address already in use" in third.log.wait_end()


def test_no_connection_is_lost_at_the_end(serve, app):
    app.write(PID)
    server = serve(None, "--reuse-port", workers=2)
    with Load(server, clients=4, keep_alive=False) as load:
        load.flows(100)
        server.terminate()
        assert server.wait_exit() == 0
    assert set(load.failures) <= {"refused", "reset"}, load.details
    assert load.failures["reset"] <= 4, load.details

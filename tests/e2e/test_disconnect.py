"""A client leaves: the app learns it soon, and nothing is left of the connection."""

import pytest

from harness import processes
from harness.waiting import eventually

pytestmark = [pytest.mark.both_loops]


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_the_app_hears_of_it_within_a_second(serve, leave):
    server = serve("probe.py", workers=1)
    with server.connect() as client:
        client.request(target="/wait-disconnect")
        server.log.wait("waiting for the client to leave")
        getattr(client, leave)()
        server.log.wait("left: .*http.disconnect", timeout=1)


def test_in_the_middle_of_an_upload(serve):
    server = serve("probe.py", workers=1)
    with server.connect() as client:
        client.request("POST", "/broken-body", [("Content-Length", "1000")])
        client.send(b"x" * 10)
    server.log.wait("broken body: http.disconnect", timeout=2)
    assert server.get("/one-message").status == 200


def test_in_the_middle_of_a_response(serve):
    server = serve("probe.py", workers=1)
    with server.connect() as client:
        client.request(target="/keeps-sending")
        client.read(500)
    server.log.wait("gave up")
    assert server.get("/one-message").status == 200


def test_with_the_next_request_already_sent(serve):
    """Pipelined bytes are not taken for a living client."""
    server = serve("probe.py", workers=1)
    with server.connect() as client:
        client.request(target="/wait-disconnect")
        server.log.wait("waiting for the client to leave")
        client.request(target="/one-message")
        client.reset()
    server.log.wait("left: .*http.disconnect", timeout=2)


@pytest.mark.both_artifacts
def test_thousands_of_abandoned_requests_leak_no_descriptor(serve):
    server = serve("probe.py", workers=1)
    worker = server.wait_ready()[0]
    assert server.get("/one-message").status == 200
    before = len(processes.descriptors(worker))
    for number in range(1000):
        client = server.connect()
        client.request(target="/one-message" if number % 2 else "/two-messages")
        client.reset() if number % 3 else client.close()
    eventually(lambda: len(processes.descriptors(worker)) <= before + 1, "the worker's descriptors are as before")
    assert server.get("/one-message").status == 200

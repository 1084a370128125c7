"""What `receive()` gives, number by number."""

import json

import pytest

from harness.waiting import stays

pytestmark = [pytest.mark.both_loops]


def chunked(*parts):
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def test_asgi_040_chunks_are_joined(probe):
    with probe.connect() as client:
        client.request("POST", "/echo", [("Transfer-Encoding", "chunked")])
        client.send(chunked(b"one ", b"two ", b"three"))
        assert client.response().body == b"one two three"


def test_asgi_040_chunk_extensions_are_dropped(probe):
    with probe.connect() as client:
        client.request("POST", "/echo", [("Transfer-Encoding", "chunked")])
        client.send(b'4;name=value\r\nbody\r\n3;a="quoted"\r\nend\r\n0;last\r\n\r\n')
        assert client.response().body == b"bodyend"


def test_asgi_040_chunks_in_single_bytes(probe):
    with probe.connect() as client:
        client.request("POST", "/echo", [("Transfer-Encoding", "chunked")])
        for byte in chunked(b"slow", b"body"):
            client.send(bytes([byte]))
        assert client.response().body == b"slowbody"


def test_asgi_041_the_app_starts_before_the_body_is_complete(probe):
    mark = probe.log.mark()
    with probe.connect() as client:
        client.request("POST", "/first-event", [("Content-Length", "10")])
        client.send(b"12345")
        probe.log.wait(r"first event of 5 bytes, more_body=True", after=mark)
        client.send(b"67890")
        assert client.response().body == b"10"


@pytest.mark.parametrize("headers, body", [((), None), ([("Content-Length", "0")], None), ((), b"abc")])
def test_asgi_042_exactly_one_final_message(probe, headers, body):
    with probe.connect() as client:
        events = json.loads(client.post("/events", body, headers).body)
    assert [more for _, _, more in events].count(False) == 1
    assert sum(size for _, size, _ in events) == len(body or b"")


def test_asgi_043_receive_blocks_after_the_body(probe):
    with probe.connect() as client:
        assert json.loads(client.post("/after-body", b"abc").body) == "blocked"
        assert json.loads(client.get("/after-body").body) == "blocked"


def test_asgi_043_disconnect_when_the_client_leaves_and_ever_after(probe):
    mark = probe.log.mark()
    with probe.connect() as client:
        client.request(target="/wait-disconnect")
        probe.log.wait("waiting for the client to leave", after=mark)
    probe.log.wait(r"left: \['http.disconnect', 'http.disconnect'\]", after=mark, timeout=2)


def test_asgi_044_disconnect_after_the_response(probe):
    mark = probe.log.mark()
    with probe.connect() as client:
        client.get("/disconnect-after-response")
        probe.log.wait("after the response: http.disconnect", after=mark, timeout=2)


def test_asgi_045_receive_can_be_cancelled_without_loss(probe):
    mark = probe.log.mark()
    with probe.connect() as client:
        client.request("POST", "/cancelled-receive", [("Content-Length", "10")])
        probe.log.wait("receiving", after=mark)
        assert client.quiet(0.15)
        for byte in b"1234567890":
            client.send(bytes([byte]))
        answer = json.loads(client.response().body)
    assert answer["body"] == "1234567890" and answer["cancelled"] >= 2


def test_asgi_046_the_socket_is_not_read_ahead_of_the_app(probe):
    """An app that does not call receive(): the client must not get rid of an unbounded body."""
    with probe.connect(timeout=1.0) as client:
        client.request("POST", "/stays-after-disconnect", [("Content-Length", str(200 << 20))])
        sent, block = 0, b"x" * 65536
        try:
            while sent < 200 << 20:
                sent += client.socket.send(block)
        except TimeoutError:
            pass
        except OSError as error:
            assert "timed out" in str(error)
        # The kernel's buffers take some megabytes on loopback.
        assert sent < 32 << 20, f"{sent} bytes were taken though nobody reads them"


def test_asgi_047_continue_is_sent_when_the_app_reads(probe):
    with probe.connect() as client:
        client.request("POST", "/echo", [("Expect", "100-continue"), ("Content-Length", "4")])
        assert client.read(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"body")
        response = client.response()
        assert (response.status, response.body) == (200, b"body")


def test_asgi_047_no_continue_when_the_app_does_not_read(probe):
    with probe.connect() as client:
        client.request("POST", "/ignore-body", [("Expect", "100-continue"), ("Content-Length", "4")])
        response = client.response()
        assert response.status == 200 and not response.interim
        assert response.closes, "the body was never asked for, so the connection cannot be used again"


def test_asgi_047_no_continue_for_a_body_that_is_on_the_way(probe):
    with probe.connect() as client:
        client.request("POST", "/echo", [("Expect", "100-continue")], b"body")
        assert client.response().body == b"body"


@pytest.mark.parametrize("size", [100, 200_000])
def test_asgi_048_an_unread_body_does_not_become_a_request(probe, size):
    with probe.connect() as client:
        client.request("POST", "/ignore-body", body=b"G" * size)
        response = client.response()
        assert response.status == 200
        if response.closes:
            assert client.ending() == "closed"
        else:
            assert client.get("/events").status == 200


def test_asgi_049_a_malformed_body_is_a_disconnect_and_a_400(probe):
    mark = probe.log.mark()
    with probe.connect() as client:
        client.request("POST", "/broken-body", [("Transfer-Encoding", "chunked")])
        client.send(b"3\r\nabc\r\nnot a size\r\n")
        assert client.response().status == 400
    probe.log.wait("broken body: http.disconnect", after=mark)


@pytest.mark.parametrize("headers, data", [([("Content-Length", "10")], b"12345"), ([("Transfer-Encoding", "chunked")], b"5\r\n12")])
def test_asgi_049_a_truncated_body_is_never_an_end(probe, headers, data):
    mark = probe.log.mark()
    with probe.connect() as client:
        client.request("POST", "/broken-body", headers)
        client.send(data)
        client.half_close()
        probe.log.wait("broken body: http.disconnect", after=mark)
        assert client.rest()[:12] in (b"", b"HTTP/1.1 400")


def test_asgi_077_the_app_is_not_cancelled_when_the_client_leaves(probe):
    mark = probe.log.mark()
    gate = probe.directory / "open"
    with probe.connect() as client:
        client.request(target="/stays-after-disconnect")
        probe.log.wait("waiting", after=mark)
    stays(lambda: not probe.log.find("was cancelled", after=mark), "the app goes on", 0.3)
    gate.touch()
    probe.log.wait("ran to its end", after=mark)
    gate.unlink()


def test_a_large_body_arrives_whole(probe):
    block = bytes(range(256)) * 4096
    with probe.connect() as client:
        assert client.post("/echo", block).body == block
        assert client.get("/events").status == 200, "the connection goes on"

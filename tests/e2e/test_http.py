"""HTTP/1.1 as RFC 9110 and 9112 have it, by number, and the limits."""

import socket

import pytest

pytestmark = [pytest.mark.both_loops]


def test_http_002_equal_lengths_do_not_desynchronise(probe):
    with probe.connect() as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabcGET /one-message HTTP/1.1\r\nHost: a\r\n\r\n")
        first = client.response()
        if first.status == 200:
            assert first.body == b"abc" and client.response().text == "whole"
        else:
            assert first.status == 400 and first.closes


def test_http_008_one_empty_line_before_a_request(probe):
    with probe.connect() as client:
        client.send(b"\r\n")
        assert client.get("/one-message").text == "whole"
        client.send(b"\r\n")
        assert client.get("/one-message").text == "whole"


def test_http_009_keep_alive_of_http10(probe):
    with probe.connect() as client:
        response = client.get("/one-message", [("Connection", "keep-alive")], version="1.0")
        assert not response.closes and "keep-alive" in response.header("connection").lower()
        assert client.get("/one-message", version="1.0").text == "whole"
        assert client.ending() == "closed"


def test_http_009_no_chunks_for_http10(probe):
    with probe.connect() as client:
        response = client.get("/two-messages", [("Connection", "keep-alive")], version="1.0")
        assert response.header("transfer-encoding") is None and response.text == "first second"


@pytest.mark.parametrize("value", ["close", "Close", "x, close", "keep-alive, CLOSE"])
def test_http_011_close_is_honoured_and_told(probe, value):
    with probe.connect() as client:
        assert client.get("/one-message", [("Connection", value)]).closes
        assert client.ending() == "closed"


def test_http_011_a_word_that_contains_close_is_not_it(probe):
    with probe.connect() as client:
        assert not client.get("/one-message", [("Connection", "x-closed")]).closes
        assert client.get("/one-message").text == "whole"


def test_http_012_pipelined_requests_in_order(probe):
    with probe.connect() as client:
        wanted = [f"/status?code=20{number}&body={number}" for number in (0, 1, 2, 3)] * 5
        client.send(b"".join(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for target in wanted))
        assert [client.response().text for _ in wanted] == list("0123") * 5


def test_http_012_pipelined_behind_a_body(probe):
    with probe.connect() as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /one-message HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.response().body == b"abc"
        assert client.response().text == "whole"


def test_http_012_a_pipelined_request_waits_for_the_answer_before(probe):
    """One at a time: the second must not reach the app while the first runs."""
    gate = probe.directory / "open"
    mark = probe.log.mark()
    with probe.connect() as client:
        client.send(b"GET /stays-after-disconnect HTTP/1.1\r\nHost: a\r\n\r\nGET /wait-disconnect HTTP/1.1\r\nHost: a\r\n\r\n")
        probe.log.wait("probe: waiting$", after=mark)
        assert client.quiet(0.2)
        assert not probe.log.find("waiting for the client to leave", after=mark)
    gate.touch()
    probe.log.wait("ran to its end", after=mark)
    gate.unlink()


def test_http_013_limits_have_their_status(serve):
    server = serve(
        "probe.py", "--limit-request-line", "200", "--limit-request-fields", "5", "--limit-request-field_size", "100", "--limit-request-body", "1000",
    )
    with server.connect() as client:
        assert client.get("/one-message?" + "x" * 200).status == 414
    with server.connect() as client:
        assert client.get("/one-message", [("X", "x" * 200)]).status == 431
    with server.connect() as client:
        assert client.get("/one-message", [(f"X{number}", "x") for number in range(6)]).status == 431
    with server.connect() as client:
        client.request("POST", "/echo", [("Content-Length", "1001")])
        assert client.response().status == 413
    with server.connect() as client:
        client.request("POST", "/echo", [("Transfer-Encoding", "chunked")])
        client.send(b"5dc\r\n" + b"x" * 1500 + b"\r\n0\r\n\r\n")
        assert client.response().status == 413
    with server.connect() as client:
        assert client.post("/echo", b"x" * 1000).status == 200


def test_http_013_413_is_readable_while_the_client_uploads(serve):
    server = serve("probe.py", "--limit-request-body", "1000")
    with server.connect() as client:
        try:
            client.request("POST", "/echo", body=b"x" * 2_000_000)
        except OSError:
            pass
        assert client.response().status == 413


def test_http_014_trace_and_connect(probe):
    with probe.connect() as client:
        client.request("TRACE", "/echo", [("Cookie", "secret")])
        response = client.response()
        assert "secret" not in response.text
    with probe.connect() as client:
        client.send(b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n")
        assert client.response().status in (400, 405, 501)


def test_http_015_options_asterisk(probe):
    with probe.connect() as client:
        client.send(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.response().status < 500


def test_unknown_expectation(probe):
    with probe.connect() as client:
        client.request("POST", "/echo", [("Expect", "200-ok")], b"abc")
        assert client.response().status in (200, 417)


def test_concurrency_above_the_limit_is_refused(serve, app):
    server = serve("gate.py", "--limit-concurrency", "2", workers=1)
    waiting = [server.connect() for _ in range(2)]
    for client in waiting:
        client.request(target="/wait")
    server.log.wait("request waits", count=2)
    refused = server.get("/")
    assert refused.status == 503 and int(refused.header("retry-after")) >= 1
    (app.path / "open").touch()
    for client in waiting:
        assert client.response().text == "waited"
        client.close()
    assert server.get("/").status == 200


def test_connections_are_shared_fairly(serve):
    """400 connections one after another on 4 workers: each gets its quarter, within 20 %."""
    import json
    from collections import Counter

    server = serve("process.py", workers=4)

    def answered_by():
        with server.connect() as client:
            return json.loads(client.get().body)["pid"]

    # A worker's readiness is logged before it gets the message to accept.
    seen = set()
    while len(seen) < 4:
        seen.add(answered_by())
    shares = sorted(Counter(answered_by() for _ in range(400)).values())
    assert len(shares) == 4 and shares[0] >= 80 and shares[-1] <= 120, shares


def test_a_busy_worker_leaves_new_connections_to_the_others(serve, app):
    app.write("""
import os, time
async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/blocks":
        print("blocking", flush=True)
        while not os.path.exists("open"):
            time.sleep(0.01)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
""")
    server = serve(workers=2)
    with server.connect() as blocked:
        blocked.request(target="/blocks")
        server.log.wait("blocking")
        pinned = 0
        for _ in range(200):
            try:
                assert server.get(timeout=2).status == 200
            except socket.timeout:
                pinned += 1
        # The one connection that it had taken before it was known to be stuck.
        assert pinned <= 1
        (app.path / "open").touch()
        assert blocked.response().status == 200


def test_thousand_connections_one_after_the_other(serve):
    server = serve("hello.py", workers=2)
    assert all(server.get().status == 200 for _ in range(1000))


def test_a_server_that_does_not_say_what_it_is(serve):
    server = serve("hello.py", "--no-server-header", "--limit-request-line", "100")
    for target, status in (("/", 200), ("/" + "x" * 200, 414)):
        with server.connect() as client:
            response = client.get(target)
        assert (response.status, response.header("server")) == (status, None)
        assert response.header("date")

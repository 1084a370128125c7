"""PEP 3333, number by number: wsgi.input and wsgi.errors."""

import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from harness.wsgi_probe import another, probe  # fixtures

BODY = b"first\nsecond\r\nthird"
READS = {
    "all": ["first\nsecond\r\nthird"],
    "none": ["first\nsecond\r\nthird"],
    "minus": ["first\nsecond\r\nthird"],
    "sized": ["fir", "", "s", "t\nsecond\r\nthird", ""],
    "lines": ["first\n", "second\r\n", "third"],
    "hint": ["first\n"],
    "line": ["first\n", "se", "cond\r\n", "third", ""],
    "iter": ["first\n", "second\r\n", "third"],
    "buffered": ["first\nsecond\r\nthird"],
}


def chunked(body, size):
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@pytest.mark.parametrize("how", READS)
@pytest.mark.parametrize("coding", ["length", "chunked"])
def test_wsgi_020_reading(probe, how, coding):
    with probe.connect() as client:
        if coding == "length":
            response = client.post(f"/read?{how}", BODY)
        else:
            response = client.post(f"/read?{how}", chunked(BODY, 4), headers=[("Transfer-Encoding", "chunked")])
        found = json.loads(response.body)
        rest = found.pop()
        assert found == READS[how]
        assert rest == ("second\r\nthird" if how == "hint" else "")
        # Nothing of the next request was taken for the body.
        assert client.get("/ignore").text == "ignored"


def test_wsgi_020_a_request_without_a_body_has_an_empty_one(probe):
    for how, expected in (("all", [""]), ("lines", []), ("iter", []), ("line", [""] * 5)):
        assert probe.json(f"/read?{how}") == [*expected, ""]


def test_wsgi_020_pipelined_requests_are_not_read(probe):
    with probe.connect() as client:
        client.send(b"POST /read?all HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /ignore HTTP/1.1\r\nHost: a\r\n\r\n")
        assert json.loads(client.response().body) == ["abc", ""]
        assert client.response().text == "ignored"


@pytest.mark.parametrize("threads", [1, 2])
def test_wsgi_020_pipelined_bodies_wait_for_nothing(another, threads):
    """The app's thread begins the next request, and the thread of the reactor has to take its body: at once, not at its next look at the clock."""
    server = another("--threads", threads)
    with server.connect() as client:
        began = time.monotonic()
        client.send(b"POST /read?all HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" * 60)
        for _ in range(60):
            assert client.response().status == 200
    assert time.monotonic() - began < 5, "a look each 250 ms would take 15 s"


def test_wsgi_020_lines_of_a_large_body(probe):
    lines = [b"x" * (n * 977 % 150_000) + b"\n" for n in range(40)]
    with probe.connect() as client:
        response = client.post("/line-sizes", b"".join(lines))
    assert json.loads(response.body) == [len(line) for line in lines]


def test_wsgi_020_a_chunked_body_has_a_length(probe):
    """It is decoded before the app is called, so it has one (RFC 9112 §7.1.3); Django reads no body without it."""
    with probe.connect() as client:
        response = client.post("/environ", chunked(b"abcdef", 2), headers=[("Transfer-Encoding", "chunked")])
    values = json.loads(response.body)["values"]
    assert values["CONTENT_LENGTH"] == "6" and "HTTP_TRANSFER_ENCODING" not in values


@pytest.mark.parametrize("size", [10, 60_000, 1_000_000])
def test_wsgi_021_an_unread_body_is_read_over(probe, size):
    with probe.connect() as client:
        for _ in range(3):
            response = client.post("/ignore", b"x" * size)
            assert response.text == "ignored"
            assert not response.closes


def test_wsgi_022_a_large_body_is_not_kept_in_memory(probe):
    body = os.urandom(1 << 20) * 30
    pid = probe.ready_pids()[0]

    def peak():
        status = Path(f"/proc/{pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024

    before = peak()
    with probe.connect() as client:
        found = json.loads(client.post("/digest", body).body)
    assert found == {"size": len(body), "sha256": hashlib.sha256(body).hexdigest(), "length": str(len(body))}
    assert peak() - before < 12 << 20


def test_wsgi_022_nowhere_to_keep_it(another, tmp_path):
    """Then the app reads it as it arrives, which the master logs at the start and the worker once."""
    server = another(env={"TMPDIR": str(tmp_path / "nowhere")})
    body = os.urandom(1 << 20) * 5
    for _ in range(2):
        with server.connect() as client:
            found = json.loads(client.post("/digest", body).body)
            assert found["sha256"] == hashlib.sha256(body).hexdigest()
            found = json.loads(client.post("/digest", chunked(body, 100_000), headers=[("Transfer-Encoding", "chunked")]).body)
            assert found == {"size": len(body), "sha256": hashlib.sha256(body).hexdigest(), "length": None}
    assert len(server.log.find("no temporary files.*directory=")) == 1


@pytest.mark.parametrize("sent", [b"abc", b"x" * 200_000])
def test_wsgi_023_a_truncated_body_does_not_reach_the_app(probe, sent):
    with probe.connect() as client:
        client.request("POST", "/upload", [("Content-Length", "300000")], sent)
        client.half_close()
        assert client.response().status == 400
    assert "upload" not in probe.json("/seen")


def test_wsgi_023_a_malformed_body_does_not_reach_the_app(probe):
    with probe.connect() as client:
        client.request("POST", "/upload", [("Transfer-Encoding", "chunked")], b"3\r\nabc\r\nzz\r\n")
        assert client.response().status == 400
    assert "upload" not in probe.json("/seen")


def test_wsgi_023_a_truncated_stream_is_an_oserror(another, tmp_path):
    server = another(env={"TMPDIR": str(tmp_path / "nowhere")})
    with server.connect() as client:
        client.request("POST", "/upload", [("Content-Length", "3000000")], b"x" * 2_000_000)
        client.half_close()
        server.log.wait("upload failed with an OSError")
    assert server.json("/seen")["upload"] == "ClientDisconnected"


@pytest.mark.parametrize("body", [b"3\r\nabc\r\nzz\r\n", b"3\r\nab"], ids=["malformed", "truncated"])
def test_wsgi_023_a_body_that_fails_while_the_app_reads_is_no_error_of_the_app(probe, body):
    """The client waits for a 100 Continue before its body, so the app is called before the body arrives."""
    mark = probe.log.mark()
    with probe.connect() as client:
        client.request("POST", "/read?all", [("Transfer-Encoding", "chunked"), ("Expect", "100-continue")])
        assert client.socket.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(body)
        client.half_close()
        assert client.response().status == 400
    probe.log.wait("request refused status=400", after=mark)
    assert probe.get("/read?all").status == 200
    assert not probe.log.find("Traceback|exception in app", after=mark)


def test_wsgi_024_100_continue(probe):
    with probe.connect() as client:
        client.request("POST", "/read?all", [("Content-Length", "4"), ("Expect", "100-continue")])
        assert client.socket.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"body")
        assert json.loads(client.response().body) == ["body", ""]


def test_wsgi_024_no_100_when_the_body_is_too_large(another):
    server = another("--limit-request-body", "10")
    with server.connect() as client:
        client.request("POST", "/read?all", [("Content-Length", "11"), ("Expect", "100-continue")])
        response = client.response()
        assert response.status == 413 and not response.interim


def test_wsgi_025_errors_go_to_the_error_log(probe):
    mark = probe.log.mark()
    assert "str, not bytes" in probe.json("/errors")
    # As they are, as with gunicorn: loggers that write there have a form of their own.
    for text in ("the first line \xe9", "begun, ended", "next", "from a list", "of lines", "printed to it"):
        probe.log.wait(rf"^{text}$", after=mark)

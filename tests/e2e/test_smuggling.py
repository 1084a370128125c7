"""Requests that a proxy could read differently: refused on the wire, the connection closed, and nothing of them reaches the app."""

import json

import pytest

from harness.response import Cut, Malformed, NoResponse, Reader

pytestmark = [pytest.mark.both_loops]

# What an attacker hides behind the refused request.
HIDDEN = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def untouched(probe):
    """After the test: a good request is answered, and since the test began no other one reached the app."""
    before = len(json.loads(probe.get("/seen").body))
    yield
    seen = json.loads(probe.get("/seen").body)[before:]
    assert not [path for _, path in seen if "smuggled" in path or "refused" in path], seen


def head(*lines, host=True):
    return b"\r\n".join([*([b"POST /refused HTTP/1.1", b"Host: a"] if host else [b"POST /refused HTTP/1.1"]), *lines]) + b"\r\n\r\n"


CHUNKED = b"Transfer-Encoding: chunked"
REFUSED = {
    # Line ends and blanks
    "HTTP-006 bare line feed ends the request line": (b"GET /refused HTTP/1.1\nHost: a\r\n\r\n", {400}),
    "HTTP-006 bare line feed ends a field": (b"GET /refused HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", {400}),
    "HTTP-006 bare line feeds only": (b"GET /refused HTTP/1.1\nHost: a\n\n", {400}),
    "HTTP-005 bare carriage return in a value": (head(b"X: a\rb"), {400}),
    "HTTP-005 bare carriage return in the request line": (b"GET /refused\r HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
    "HTTP-005 folded field": (head(b"X: a", b" b"), {400}),
    "HTTP-005 folded field with a tab": (head(b"X: a", b"\tb"), {400}),
    "HTTP-005 first field folded": (b"GET /refused HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n", {400}),
    "HTTP-005 space before the colon": (head(b"X : a"), {400}),
    "HTTP-005 tab before the colon": (head(b"X\t: a"), {400}),
    "HTTP-005 space before the colon of Content-Length": (head(b"Content-Length : 35"), {400}),
    "HTTP-005 space before the colon of Transfer-Encoding": (head(b"Transfer-Encoding : chunked"), {400}),
    "HTTP-005 field without a colon": (head(b"nonsense"), {400}),
    "HTTP-005 empty field name": (head(b": a"), {400}),
    "HTTP-005 nul in a value": (head(b"X: a\0b"), {400}),
    "HTTP-005 nul in a name": (head(b"X\0: a"), {400}),
    "HTTP-005 control in a value": (head(b"X: a\x01b"), {400}),
    "HTTP-005 delete in a value": (head(b"X: a\x7fb"), {400}),
    "HTTP-005 control in the target": (b"GET /refused\x01 HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
    "HTTP-005 separator in a name": (head(b"X(a): b"), {400}),
    "HTTP-005 high byte in a name": (head(b"X\xe9: b"), {400}),
    # Host
    "HTTP-001 no host": (b"GET /refused HTTP/1.1\r\n\r\n", {400}),
    "HTTP-001 two hosts": (head(b"Host: b"), {400}),
    "HTTP-001 two equal hosts": (head(b"Host: a"), {400}),
    "HTTP-001 host with a path": (head(b"Host: a/b", host=False), {400}),
    "HTTP-001 host with a user": (head(b"Host: user@a", host=False), {400}),
    "HTTP-001 host with a space": (head(b"Host: a b", host=False), {400}),
    "HTTP-001 host with a zone that is not escaped": (head(b"Host: [fe80::1%eth0]", host=False), {400}),
    "HTTP-001 host with a bad port": (head(b"Host: a:b", host=False), {400}),
    # Request line
    "HTTP-015 space in the target": (b"GET /refused x HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
    "HTTP-015 two spaces": (b"GET  /refused HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
    "HTTP-015 tab for a space": (b"GET\t/refused HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
    "HTTP-015 no version": (b"GET /refused\r\nHost: a\r\n\r\n", {400, 505}),
    "HTTP-015 version 2.0": (b"GET /refused HTTP/2.0\r\nHost: a\r\n\r\n", {400, 505}),
    "HTTP-015 version 1.10": (b"GET /refused HTTP/1.10\r\nHost: a\r\n\r\n", {400, 505}),
    "HTTP-015 version 11": (b"GET /refused HTTP/11\r\nHost: a\r\n\r\n", {400, 505}),
    "HTTP-015 lower-case protocol": (b"GET /refused http/1.1\r\nHost: a\r\n\r\n", {400, 505}),
    "HTTP-015 relative target": (b"GET refused HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
    "HTTP-015 asterisk with GET": (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
    "HTTP-015 authority with GET": (b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
    "HTTP-015 fragment in the target": (b"GET /refused#x HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
    "HTTP-015 separator in the method": (b"GE(T /refused HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
    "HTTP-015 tls to a plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", {400}),
    "HTTP-015 method longer than any": (b"A" * 40 + b" /refused HTTP/1.1\r\nHost: a\r\n\r\n", {501}),
    "HTTP-014 connect": (b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", {400, 405, 501}),
    # Content-Length
    "HTTP-004 length with a sign": (head(b"Content-Length: +35"), {400}),
    "HTTP-004 negative length": (head(b"Content-Length: -1"), {400}),
    "HTTP-004 hexadecimal length": (head(b"Content-Length: 0x23"), {400}),
    "HTTP-004 length with a unit": (head(b"Content-Length: 35b"), {400}),
    "HTTP-004 empty length": (head(b"Content-Length:"), {400}),
    "HTTP-004 length with a space in it": (head(b"Content-Length: 3 5"), {400}),
    "HTTP-004 length in words": (head(b"Content-Length: none"), {400}),
    "HTTP-004 fraction": (head(b"Content-Length: 3.5"), {400}),
    "HTTP-004 overflowing length": (head(b"Content-Length: 18446744073709551617"), {400, 413}),
    "HTTP-004 two different lengths": (head(b"Content-Length: 35", b"Content-Length: 0"), {400}),
    "HTTP-004 list of different lengths": (head(b"Content-Length: 35, 0"), {400}),
    "HTTP-004 length and an empty length": (head(b"Content-Length: 0", b"Content-Length:"), {400}),
    # Transfer-Encoding
    "HTTP-002 chunked and a length": (head(CHUNKED, b"Content-Length: 35") + b"0\r\n\r\n", {400}),
    "HTTP-002 a length and chunked": (head(b"Content-Length: 35", CHUNKED) + b"0\r\n\r\n", {400}),
    "HTTP-003 chunked twice": (head(CHUNKED, CHUNKED) + b"0\r\n\r\n", {400, 501}),
    "HTTP-003 chunked twice in a list": (head(b"Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n", {400, 501}),
    "HTTP-003 unknown coding": (head(b"Transfer-Encoding: cow") + b"0\r\n\r\n", {400, 501}),
    "HTTP-003 chunked is not last": (head(b"Transfer-Encoding: chunked, gzip") + b"0\r\n\r\n", {400, 501}),
    "HTTP-003 gzip before chunked": (head(b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", {400, 501}),
    "HTTP-003 identity": (head(b"Transfer-Encoding: identity"), {400, 501}),
    "HTTP-003 empty coding": (head(b"Transfer-Encoding:"), {400, 501}),
    "HTTP-003 leading comma": (head(b"Transfer-Encoding: , chunked") + b"0\r\n\r\n", {400, 501}),
    "HTTP-003 trailing comma": (head(b"Transfer-Encoding: chunked,") + b"0\r\n\r\n", {400, 501}),
    "HTTP-003 quoted chunked": (head(b'Transfer-Encoding: "chunked"') + b"0\r\n\r\n", {400, 501}),
    "HTTP-003 chunked with a parameter": (head(b"Transfer-Encoding: chunked;q=1") + b"0\r\n\r\n", {400, 501}),
    "HTTP-003 chunked behind a vertical tab": (head(b"Transfer-Encoding: \x0bchunked") + b"0\r\n\r\n", {400, 501}),
    "HTTP-003 xchunked": (head(b"Transfer-Encoding: xchunked") + b"0\r\n\r\n", {400, 501}),
    "HTTP-003 chunked in HTTP/1.0": (b"POST /refused HTTP/1.0\r\nHost: a\r\n" + CHUNKED + b"\r\n\r\n0\r\n\r\n", {400, 501}),
    # Sizes
    "HTTP-013 long request line": (b"GET /refused" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", {414}),
    "HTTP-013 long field": (head(b"X: " + b"x" * 9000), {431}),
    "HTTP-013 many fields": (head(*[b"X%d: a" % number for number in range(101)]), {431}),
    "HTTP-013 endless request line": (b"G" * 20000, {400, 414}),
    "HTTP-013 endless field name": (b"GET /refused HTTP/1.1\r\nHost: a\r\n" + b"X" * 20000, {400, 431}),
}
# The head is fine; the body is not. These reach the app, which must see an error and never an end.
BROKEN_CHUNKS = {
    "HTTP-007 size with a prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "HTTP-007 size with a sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "HTTP-007 negative size": b"-5\r\nhello\r\n0\r\n\r\n",
    "HTTP-007 size with a space": b"5 \r\nhello\r\n0\r\n\r\n",
    "HTTP-007 space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "HTTP-007 empty size": b"\r\nhello\r\n0\r\n\r\n",
    "HTTP-007 size in words": b"five\r\nhello\r\n0\r\n\r\n",
    "HTTP-007 size with an underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "HTTP-007 overflowing size": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "HTTP-007 bare line feed after the size": b"5\nhello\r\n0\r\n\r\n",
    "HTTP-007 bare line feed after the data": b"5\r\nhello\n0\r\n\r\n",
    "HTTP-007 bare carriage return after the size": b"5\rhello\r\n0\r\n\r\n",
    "HTTP-007 no line end after the data": b"5\r\nhello0\r\n\r\n",
    "HTTP-007 more data than the size": b"3\r\nhello\r\n0\r\n\r\n",
    "HTTP-007 nul in an extension": b"5;a=\0\r\nhello\r\n0\r\n\r\n",
    "HTTP-007 bare line feed in an extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "HTTP-007 bare carriage return in an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "HTTP-007 endless extension": b"5;" + b"a" * 100_000,
    "HTTP-007 bare line feed after the last chunk": b"5\r\nhello\r\n0\n\n",
    "HTTP-007 folded trailer": b"5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n",
    "HTTP-007 trailer without a colon": b"5\r\nhello\r\n0\r\nnonsense\r\n\r\n",
    "HTTP-007 endless trailers": b"5\r\nhello\r\n0\r\n" + b"X: a\r\n" * 10_000,
}


def answers(client):
    """All responses until the server closes."""
    found = []
    reader = Reader(client.socket)
    while True:
        try:
            found.append(reader.response())
        except (NoResponse, Cut, Malformed, OSError):
            return found


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(probe, untouched, kind):
    data, statuses = REFUSED[kind]
    with probe.connect(timeout=5) as client:
        client.send(data + HIDDEN)
        client.half_close()
        found = answers(client)
    assert len(found) == 1, f"{len(found)} answers: {[response.status for response in found]}"
    assert found[0].status in statuses
    assert found[0].closes


@pytest.mark.parametrize("kind", BROKEN_CHUNKS)
def test_broken_chunks(probe, untouched, kind):
    mark = probe.log.mark()
    with probe.connect(timeout=5) as client:
        client.request("POST", "/broken-body", [("Transfer-Encoding", "chunked")])
        try:
            client.send(BROKEN_CHUNKS[kind] + HIDDEN)
            client.half_close()
        except OSError:
            pass  # refused before it was sent
        found = answers(client)
    probe.log.wait("broken body: http.disconnect", after=mark)
    assert [response.status for response in found] in ([400], [431], []), "the connection ends with it"


@pytest.mark.parametrize("kind", ["HTTP-006 bare line feed ends a field", "HTTP-002 chunked and a length", "HTTP-013 long field", "HTTP-001 two hosts"])
def test_the_answer_can_be_read_by_a_client_that_is_still_sending(probe, kind):
    """A close without a linger would reset the connection and take the answer away (HTTP-013)."""
    data, statuses = REFUSED[kind]
    with probe.connect(timeout=5) as client:
        try:
            client.send(data + b"x" * 300_000)
        except OSError:
            pass
        assert client.response().status in statuses


@pytest.mark.parametrize(
    "data, count",
    [
        (b"\r\nGET /seen HTTP/1.1\r\nHost: a\r\n\r\n", 1),
        (b"GET /seen HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", None),
        (b"GET /seen HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", 1),
        (b"GET /seen HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n", 1),
        (b"GET /seen HTTP/1.1\r\nHost: [fe80::1%25eth0]:8000\r\n\r\n", 1),
        (b"GET /seen HTTP/1.1\r\nHost:\r\n\r\n", None),
        (b"GET /seen HTTP/1.1\r\nhOsT:   a  \r\n\r\n", 1),
        (b"GET /seen HTTP/1.0\r\n\r\n", 1),
        # Bad whitespace (RFC 9110 5.6.3) around an extension is read over.
        (b"GET /seen HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5 ; a = b\t;c\r\nhello\r\n0 ;d\r\n\r\n", 1),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 1),
    ],
)
def test_what_is_right_is_not_refused(probe, data, count):
    with probe.connect(timeout=5) as client:
        client.send(data)
        client.half_close()
        found = answers(client)
    assert len(found) == 1
    if count is None:
        assert found[0].status in (200, 400), "either is allowed; a crash is not"
    else:
        assert found[0].status != 400 and found[0].status < 500


def test_header_names_cannot_be_spoofed_by_underscores(probe):
    with probe.connect() as client:
        client.request(target="/scope", headers=[("Content_Length", "5"), ("Transfer_Encoding", "chunked")])
        assert client.response().status == 200
        assert client.get("/one-message").text == "whole"

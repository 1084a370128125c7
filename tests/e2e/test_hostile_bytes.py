"""Thousands of connections with random bytes and with mutated requests: nothing breaks, nothing leaks, the next request is fine."""

import errno
import random
import re
import threading

import pytest

from harness import processes
from harness.client import Client
from harness.crowd import allow_many_descriptors, connections
from harness.waiting import eventually

VALID = [
    b"GET /a?b=c HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n5;a=b\r\nhello\r\n0\r\nx: y\r\n\r\n",
    b"PUT /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    b"GET http://a/x HTTP/1.1\r\nHost: b\r\nX-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
    b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x07\xc6\x33\x64\x01\x12\x67\x01\xbbGET / HTTP/1.1\r\nHost: a\r\n\r\n",
]
SPICE = [b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"\xff", b"%", b"0", b"ffffffffffffffff", b"-1", b",", b";", b"\t", b"Host: b\r\n",
         b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"x" * 9000]

APP = """
async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    assert scope["type"] == "http"
    more, size = True, 0
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more, size = message["more_body"], size + len(message["body"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})

def application(environ, start_response):
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def mutated(chance):
    data = bytearray(chance.choice(VALID))
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        way = chance.randrange(5)
        if way == 0:
            data[at:at] = chance.choice(SPICE)
        elif way == 1:
            del data[at : at + chance.randint(1, 8)]
        elif way == 2:
            data[at : at + 1] = bytes([chance.randrange(256)])
        elif way == 3:
            data[at:at] = data[at : at + chance.randint(1, 30)]
        else:
            del data[at:]
    return bytes(data)


def noise(chance):
    kind = chance.randrange(3)
    if kind == 0:
        return chance.randbytes(chance.randint(0, 300))
    if kind == 1:
        return b"\x16\x03\x01" + chance.randbytes(chance.randint(0, 500))
    return bytes(chance.choice(b"GET / HTP1.:\r\n \t") for _ in range(chance.randint(1, 200)))


def throw(server, make, count, seed):
    """Send each and leave in one of the ways in which clients leave; every answer must be one."""
    wrong = []

    def run(number):
        chance = random.Random(seed * 100 + number)
        for _ in range(count // 4):
            data = make(chance)
            with Client.tcp("127.0.0.1", server.port, timeout=20) as client:
                try:
                    client.send(data)
                    if chance.random() < 0.2:
                        client.reset()
                        continue
                    client.half_close()
                    answer = client.rest()
                except (ConnectionResetError, BrokenPipeError):
                    continue
                except OSError as error:
                    if error.errno == errno.ENOTCONN:
                        continue  # a reset that has come before the half-close
                    wrong.append((repr(error), data))
                    continue
                if answer and not re.match(rb"HTTP/1\.1 \d{3} ", answer):
                    wrong.append((answer[:100], data))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, f"{len(wrong)}: {wrong[:3]}"


@pytest.mark.parametrize("options", [(), ("--proxy-protocol", "auto")], ids=["http", "proxy"])
@pytest.mark.parametrize("spec", ["app:app", "app:application"], ids=["asgi", "wsgi"])
def test_ten_thousand_connections_of_nonsense(serve, app, spec, options):
    allow_many_descriptors()
    app.write(APP)
    count = 5000 if not options else 1000
    server = serve(None, "--access-logfile", "/dev/null", *options, spec=spec)
    (pid,) = server.ready_pids()
    throw(server, mutated, 400, seed=1)
    eventually(lambda: connections(pid) < 20, "the worker holds none of them")
    descriptors, resident = len(processes.descriptors(pid)), processes.resident(pid)
    throw(server, noise, count, seed=2)
    throw(server, mutated, count, seed=3)
    eventually(lambda: len(processes.descriptors(pid)) <= descriptors, "every descriptor has come back")
    grown = processes.resident(pid) - resident
    assert grown < 10_000_000, f"{grown >> 20} MB more than before"
    with server.connect() as client:
        if options:
            client.send(b"PROXY UNKNOWN\r\n")
        assert client.get().body == b"ok"
    assert server.ready_pids() == [pid]
    assert "Traceback" not in server.log.text()
    assert len(server.log.lines) < 400, "a flood of clients is no flood of lines"


REFUSED = {
    b"nonsense\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n": 400,
    b"GET / HTTP/3.0\r\nHost: a\r\n\r\n": 505,
    b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n": 414,
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 9000 + b"\r\n\r\n": 431,
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 2_000_000: 413,
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n": 501,
    b"GET / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\n\r\n": 417,
}


def test_error_answers_are_small_alike_and_readable(serve, app):
    """Also while the client is still sending: no reset overtakes the answer."""
    app.write(APP)
    server = serve(None, "--limit-request-body", "1m")
    shapes = set()
    for request, status in REFUSED.items():
        with server.connect() as client:
            try:
                client.send(request)
            except OSError:
                pass
            response = client.response()
            assert response.status == status, request[:50]
            assert len(response.body) < 100 and response.closes
            shapes.add(tuple(name.lower() for name, _ in response.headers))
            client.half_close()
            assert client.ending() == "closed"
    assert len(shapes) == 1, shapes


def test_refusals_are_told_with_reason_and_peer_and_without_a_flood(serve, app):
    app.write(APP)
    server = serve(None)
    for _ in range(200):
        with server.connect() as client:
            client.send(b"GET / HTTP/1.1\r\n\r\n")
            assert client.response().status == 400
    server.log.wait(r'request refused.*status=400.*reason="no host header".*peer=\S*127\.0\.0\.1:\d+')
    server.log.wait(r'similar messages suppressed.*reason="no host header".*count=195')
    assert len(server.log.find("request refused")) == 5

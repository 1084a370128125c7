"""What clients do in a soak: each function is one visit, well-behaved or not, and asserts what it can see."""

import os
import random

from harness.response import Cut, NoResponse
from harness.websocket import CLOSE, TEXT, close_payload, frame, handshake

BODY = os.urandom(100_000)
LEFT = (OSError, Cut, NoResponse)


def keep_alive(connect):
    with connect() as client:
        for _ in range(50):
            assert client.get("/").status == 200


def one_request(connect):
    for _ in range(20):
        with connect() as client:
            assert client.get("/", headers=[("connection", "close")]).body == b"hello"


def pipelined(connect):
    with connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 20)
        for _ in range(20):
            assert client.response().body == b"hello"


def upload(connect):
    with connect() as client:
        assert client.post("/echo", BODY).body == b"100000"
        client.request("POST", "/echo", [("transfer-encoding", "chunked")])
        for _ in range(5):
            client.send(b"1000\r\n" + BODY[:4096] + b"\r\n")
        client.send(b"0\r\n\r\n")
        assert client.response().body == b"20480"


def asks_before_it_uploads(connect):
    with connect() as client:
        client.request("POST", "/echo", [("expect", "100-continue"), ("content-length", "5")])
        client.send(b"12345")
        assert client.response().body == b"5"


def leaves_within_an_upload(connect):
    client = connect()
    client.request("POST", "/echo", [("content-length", "100000")])
    client.send(BODY[:50_000])
    random.choice([client.close, client.reset])()


def download(connect):
    with connect() as client:
        assert len(client.get(random.choice(["/stream", "/written", "/file"])).body) in (400_000, 5)


def reads_a_large_answer(connect):
    with connect(receive_buffer=65536) as client:
        assert client.get("/large").body == b"0123456789" * 300_000
        assert client.post("/echo", BODY * 15).body == b"1500000"


def leaves_within_a_download(connect):
    client = connect(receive_buffer=8192)
    client.request("GET", random.choice(["/stream", "/large"]))
    client.head()
    random.choice([client.close, client.reset])()


def leaves_before_the_answer(connect):
    for path in ("/wait", "/sleep"):
        client = connect()
        client.request("GET", path)
        random.choice([client.close, client.reset, client.half_close])()
        client.close()


def meets_an_app_that_fails(connect):
    for path in ("/raise", "/cut", "/nothing"):
        with connect() as client:
            try:
                assert client.get(path).status in (200, 500)
            except LEFT:
                pass


def talks_nonsense(connect):
    lines = [b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", b"\x00" * 100, b"GET / HTTP/9.9\r\n\r\n", BODY[:500], b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\n"]
    for line in lines:
        with connect() as client:
            try:
                client.send(line)
                client.half_close()
                client.rest()
            except LEFT:
                pass


def says_nothing(connect):
    client = connect()
    client.send(b"GET / HT")
    client.close()


def websocket(connect, deflate=()):
    with connect() as client:
        client.send(handshake("/", deflate))
        if client.head().status != 101:
            return
        if not deflate:
            for size in (1, 1000):
                client.send(frame(TEXT, b"a" * size))
                client.read(2 + size + (2 if size > 125 else 0))
        ending = random.choice(["closes", "vanishes", "raises"])
        if ending == "closes":
            client.send(frame(CLOSE, close_payload(1000)))
            client.rest()
        elif ending == "raises":
            client.send(frame(TEXT, b"raise"))
            client.read(4)
            client.send(frame(CLOSE, close_payload(1011)))
            client.rest()


def compressed_websocket(connect):
    websocket(connect, [("Sec-WebSocket-Extensions", "permessage-deflate")])


ALL = (
    keep_alive, one_request, pipelined, upload, asks_before_it_uploads, leaves_within_an_upload, download, reads_a_large_answer,
    leaves_within_a_download, leaves_before_the_answer, meets_an_app_that_fails, talks_nonsense, says_nothing, websocket, compressed_websocket,
)

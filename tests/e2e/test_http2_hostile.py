"""Hostile clients of HTTP/2: each gets ENHANCE_YOUR_CALM or is closed, memory stays bounded, and others are served."""

import contextlib
import re
import struct
import subprocess

import pytest
from harness import processes
from harness.flood import cpu, flood
from harness.http2 import (
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, Http2Client,
    RawHttp2, block, frame, request_block,
)

pytestmark = [pytest.mark.both_loops]

ENHANCE_YOUR_CALM = 0xB
MB = 1024 * 1024


@pytest.fixture
def cleartext(serve):
    return lambda *options, **keywords: serve("http2.py", "--http2", "prior-knowledge", *options, **keywords)


def post(stream):
    return frame(HEADERS, END_HEADERS, stream, request_block(b"POST", b"/echo"))


def numbered(count, make):
    """One after the other for streams 1, 3, 5 …"""
    return b"".join(make(2 * n + 1) for n in range(count))


FLOODS = {
    "pings": frame(PING, payload=b"12345678") * 5_000,
    "settings": frame(SETTINGS) * 5_000,
    "settings with values": frame(SETTINGS, payload=struct.pack(">HI", 3, 100) * 10) * 5_000,
    "priorities": frame(PRIORITY, stream=1, payload=struct.pack(">IB", 0, 15)) * 5_000,
    "windows of one byte": frame(WINDOW_UPDATE, payload=struct.pack(">I", 1)) * 5_000,
    "empty data": post(1) + frame(DATA, stream=1) * 5_000,
    "frames of no known type": frame(0xFE) * 5_000,
    "resets at once": numbered(2_000, lambda n: frame(HEADERS, END_HEADERS | END_STREAM, n, request_block()) + frame(RST_STREAM, stream=n, payload=b"\0\0\0\x08")),
    "continuations": frame(HEADERS, END_STREAM, 1, request_block()) + frame(CONTINUATION, stream=1, payload=block((b"x", b"y"))) * 5_000,
    "empty continuations": frame(HEADERS, END_STREAM, 1, request_block()) + frame(CONTINUATION, stream=1) * 5_000,
}


@pytest.mark.parametrize("name", FLOODS)
def test_floods_are_told_to_calm_down(cleartext, name):
    server = cleartext()
    (pid,) = server.ready_pids()
    with RawHttp2(server.port) as client, Http2Client.cleartext(server.port) as other:
        try:
            client.send(FLOODS[name])
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert client.goaway() in (ENHANCE_YOUR_CALM, None)
        assert other.get("/").body == b"hello"
    server.log.wait("ENHANCE_YOUR_CALM")
    assert processes.resident(pid) < 120 * MB


def test_answers_in_proportion_to_the_pieces_of_a_response_are_no_flood(serve, app):
    app.write("""
import asyncio
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for n in range(2_500):
        await send({"type": "http.response.body", "body": b"data: x\\n\\n", "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body"})
""")
    server = serve(None, "--http2", "prior-knowledge")
    window = struct.pack(">I", 9)
    with RawHttp2(server.port) as client:
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, request_block()))
        frames = answered = 0
        for kind, flags, _, payload in client.frames():
            assert kind != GOAWAY, payload
            if kind == DATA and payload:
                frames += 1
                answered += len(payload)
                client.send(frame(WINDOW_UPDATE, stream=1, payload=window), frame(WINDOW_UPDATE, payload=window))
            if kind == DATA and flags & END_STREAM:
                break
    assert answered == 2_500 * 9 and frames > 1_000
    assert "ENHANCE_YOUR_CALM" not in server.log.text()


def test_resets_that_come_one_by_one_are_counted_as_well(cleartext):
    server = cleartext()
    with RawHttp2(server.port) as client:
        for n in range(3_000):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                client.send(frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, request_block(b"GET", b"/wait")))
                client.send(frame(RST_STREAM, stream=2 * n + 1, payload=b"\0\0\0\x08"))
        server.log.wait("ENHANCE_YOUR_CALM")
    assert server.get("/").body == b"hello"


def test_a_flood_without_end_does_not_hold_up_others(cleartext):
    server = cleartext()
    (pid,) = server.ready_pids()
    with Http2Client.cleartext(server.port) as other:
        other.get("/")
        for first, again in ((PREFACE + frame(SETTINGS), frame(PING, payload=b"12345678")), (PREFACE + frame(SETTINGS) + post(1), frame(DATA, stream=1, payload=b"x"))):
            with flood(server, again, first):
                before = cpu(pid)
                for _ in range(20):
                    assert other.get("/", ).body == b"hello"
                assert cpu(pid) - before < 2


def test_header_lists_are_bounded(cleartext):
    server = cleartext("--http2-max-header-list-size", "16k")
    (pid,) = server.ready_pids()
    with Http2Client.cleartext(server.port) as client:
        stream = client.get("/", headers=[("x-a", "b" * 20_000)])
        assert stream.status == 431
        assert client.get("/").body == b"hello"
    # A field that is in the table, a thousand times (an HPACK bomb): each is a byte on the wire.
    bomb = bytes([0x40, 1]) + b"x" + b"\x7f" + bytes([0xE1, 0x1E]) + b"y" * 4000 + b"\xbe" * 12_000
    with RawHttp2(server.port) as client:
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, request_block() + bomb))
        for kind, _, stream, payload in client.frames():
            if stream == 1:
                break
    assert processes.resident(pid) < 120 * MB
    assert server.get("/").body == b"hello"


def test_streams_that_are_held_open_are_bounded(cleartext):
    server = cleartext("--http2-max-concurrent-streams", "10")
    with RawHttp2(server.port) as client, Http2Client.cleartext(server.port) as other:
        client.send(numbered(50, post))
        refused = 0
        for kind, _, _, payload in client.frames():
            if kind == RST_STREAM:
                assert payload == b"\0\0\0\x07"  # REFUSED_STREAM
                refused += 1
            if refused == 40:
                break
        assert other.get("/").body == b"hello"


@pytest.mark.parametrize("spec", ["app:app", "app:application"])
def test_a_client_that_opens_no_window_costs_little_and_is_given_up(cleartext, spec):
    server = cleartext("--write-timeout", "2", spec=spec)
    (pid,) = server.ready_pids()
    before = processes.resident(pid)
    with RawHttp2(server.port, settings=struct.pack(">HI", 4, 0)) as client, Http2Client.cleartext(server.port) as other:
        # Each of them would be a megabyte.
        client.send(numbered(50, lambda n: frame(HEADERS, END_HEADERS | END_STREAM, n, request_block(b"GET", b"/pieces?count=100"))))
        ended = set()
        for kind, _, stream, payload in client.frames():
            if kind == RST_STREAM:
                ended.add(stream)
            if len(ended) == 50:
                break
        assert processes.resident(pid) - before < 60 * MB
        assert other.get("/").body == b"hello"


def test_a_client_that_does_not_read_is_given_up(cleartext):
    server = cleartext("--write-timeout", "2")
    with RawHttp2(server.port, settings=struct.pack(">HI", 4, 2**31 - 1)) as client:
        client.send(frame(WINDOW_UPDATE, payload=struct.pack(">I", 2**30)))
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, request_block(b"GET", b"/pieces?count=5000")))
        server.log.wait("client does not read its response")
    assert server.get("/").body == b"hello"


def test_a_head_that_does_not_end_is_not_awaited(cleartext):
    server = cleartext("--header-timeout", "1")
    with RawHttp2(server.port) as client, Http2Client.cleartext(server.port) as other:
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, request_block()))
        client.send(frame(HEADERS, END_STREAM, 3, request_block()))
        client.goaway()
        assert other.get("/").body == b"hello"
    # With the first bytes of the connection.
    with RawHttp2(server.port, first=frame(HEADERS, END_STREAM, 1, request_block())) as client:
        client.goaway()


def test_the_metrics_count_them(cleartext):
    server = cleartext("--admin-bind", "127.0.0.1:0")
    port = int(server.log.wait(r"probes and metrics address=.*:(\d+)").group(1))
    with Http2Client.cleartext(server.port) as client:
        client.get("/")
        client.get("/")
    server.get("/")
    with RawHttp2(server.port) as client:
        client.send(FLOODS["pings"])
        client.goaway()
    server.log.wait("ENHANCE_YOUR_CALM")
    command = ["curl", "--silent", f"http://127.0.0.1:{port}/-/metrics"]
    metrics = subprocess.run(command, check=True, capture_output=True, timeout=30, text=True).stdout
    values = dict(re.findall(r'^rgun_http2_(\w+)_total\{slot="0"\} (\d+)', metrics, re.MULTILINE))
    assert values == {"requests": "2", "connections": "2", "calmed": "1"}

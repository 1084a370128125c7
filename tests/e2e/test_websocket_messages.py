"""Messages and frames: what arrives whole, what is refused and how soon (RFC 6455 §5 and §8.1)."""

import json
import os

import pytest

from harness.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_payload, connect, frame, random_text

pytestmark = [pytest.mark.both_loops]


@pytest.fixture
def echo(sockets):
    with connect(sockets, "/echo") as socket:
        yield socket


SIZES = [0, 1, 125, 126, 127, 128, 65535, 65536, 65537, 300_000]


@pytest.mark.parametrize("size", SIZES)
def test_asgi_105_text_of_any_length_comes_back(echo, size):
    text = random_text(size)
    echo.text(text)
    assert echo.message() == text


@pytest.mark.parametrize("size", SIZES)
def test_asgi_105_bytes_of_any_length_come_back(echo, size):
    data = os.urandom(size)
    echo.binary(data)
    assert echo.message() == data


def test_asgi_105_empty_messages_count(echo):
    echo.text("")
    echo.binary(b"")
    echo.text("x")
    assert [echo.message() for _ in range(3)] == ["", b"", "x"]


def test_asgi_105_fragments_become_one_message(echo):
    echo.send(TEXT, b"one ", fin=False)
    echo.send(CONTINUATION, b"", fin=False)
    echo.send(CONTINUATION, b"two ", fin=False)
    echo.send(CONTINUATION, b"three")
    assert echo.message() == "one two three"


def test_asgi_105_empty_fragments_become_an_empty_message(echo):
    echo.send(BINARY, b"", fin=False)
    echo.send(CONTINUATION, b"", fin=False)
    echo.send(CONTINUATION, b"")
    assert echo.message() == b""


def test_a_character_may_be_split_between_fragments(echo):
    data = "κόσμε 𝄞".encode()
    for byte in data[:-1]:
        echo.send(TEXT if byte is data[0] and data.index(byte) == 0 and not getattr(echo, "begun", False) else CONTINUATION, bytes([byte]), fin=False)
        echo.begun = True
    echo.send(CONTINUATION, data[-1:])
    assert echo.message() == data.decode()


def test_frames_byte_by_byte(echo):
    for byte in frame(TEXT, b"slow") + frame(PING, b"p") + frame(BINARY, b"y" * 200):
        echo.raw(bytes([byte]))
    found = [echo.frame() for _ in range(3)]
    # The server answers a ping by itself: on a machine that is busy, before the app has come to the message ahead of it.
    assert [one.payload for one in found if one.opcode == PONG] == [b"p"]
    assert [one.payload for one in found if one.opcode != PONG] == [b"slow", b"y" * 200]


def test_many_frames_in_one_packet(echo):
    echo.raw(b"".join(frame(TEXT, str(number).encode()) for number in range(500)))
    assert [echo.message() for _ in range(500)] == [str(number) for number in range(500)]


@pytest.mark.parametrize("mask", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\x02\x03\x04"])
def test_any_mask(echo, mask):
    for size in (1, 3, 4, 7, 8, 9, 200):
        echo.send(TEXT, b"m" * size, mask=mask)
        assert echo.message() == "m" * size


def test_asgi_112_a_ping_is_answered(echo):
    for payload in (b"", b"payload", b"\x00\xff\xfe", b"x" * 125):
        echo.send(PING, payload)
        found = echo.frame()
        assert (found.opcode, found.payload) == (PONG, payload)


def test_asgi_112_a_ping_between_fragments_is_answered_at_once(echo):
    echo.send(TEXT, b"first ", fin=False)
    echo.send(PING, b"between")
    assert echo.frame().payload == b"between"
    echo.send(CONTINUATION, b"second")
    assert echo.message() == "first second"


def test_an_unasked_pong_is_nothing(echo):
    echo.send(PONG, b"unasked")
    echo.text("x")
    assert echo.message() == "x"


def test_ten_pings_are_answered_in_order(echo):
    for number in range(10):
        echo.send(PING, str(number).encode())
    assert [echo.frame().payload for _ in range(10)] == [str(number).encode() for number in range(10)]


PROTOCOL_ERRORS = {
    "not masked": frame(TEXT, b"x", mask=None),
    "ping not masked": frame(PING, b"x", mask=None),
    "rsv1 without an extension": frame(TEXT, b"x", rsv=4),
    "rsv2": frame(TEXT, b"x", rsv=2),
    "rsv3": frame(PING, b"x", rsv=1),
    "all rsv on a close": frame(CLOSE, b"", rsv=7),
    **{f"opcode {opcode}": frame(opcode, b"x") for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "a fragmented ping": frame(PING, b"x", fin=False),
    "a fragmented close": frame(CLOSE, b"", fin=False),
    "a long ping": frame(PING, b"x" * 126),
    "a long pong": frame(PONG, b"x" * 126),
    "a long close": frame(CLOSE, close_payload(1000, "x" * 124)),
    "a continuation of nothing": frame(CONTINUATION, b"x"),
    "an unfinished continuation of nothing": frame(CONTINUATION, b"x", fin=False),
    "a message inside a message": frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"),
    "a continuation after the end": frame(TEXT, b"x", fin=False) + frame(CONTINUATION, b"y") + frame(CONTINUATION, b"z"),
    "a length in 16 bits for 5": frame(TEXT, b"short", length="16"),
    "a length in 64 bits for 5": frame(TEXT, b"short", length="64"),
    "a length above 2^63": b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
    "a close of one byte": frame(CLOSE, b"\x03"),
}


@pytest.mark.parametrize("data", PROTOCOL_ERRORS.values(), ids=PROTOCOL_ERRORS)
def test_asgi_113_protocol_errors_are_1002(echo, data):
    echo.raw(data)
    while True:  # a message before the error may have been echoed
        found = echo.frame()
        if found.opcode == CLOSE:
            break
    assert found.code == 1002, found
    echo.ends()


def test_asgi_113_the_app_is_told_of_a_protocol_error(serve):
    server = serve("sockets.py")
    with connect(server, "/echo") as socket:
        socket.send(3, b"")
        socket.expect_close(1002)
    server.log.wait(r'disconnect {"type": "websocket.disconnect", "code": 1002, "reason": "unknown opcode"}')


def test_an_error_is_seen_before_the_frame_is_whole(echo):
    echo.raw(b"\x83")
    assert echo.frame().code == 1002


NOT_UTF8 = {
    "a lone continuation": b"\x80",
    "overlong": b"\xc0\xaf",
    "a surrogate": b"\xed\xa0\x80",
    "above U+10FFFF": b"\xf4\x90\x80\x80",
    "cut": b"\xce\xba\xe1",
    "FE": b"\xfe",
    "inside": b"good \xff bad",
}


@pytest.mark.parametrize("data", NOT_UTF8.values(), ids=NOT_UTF8)
def test_asgi_113_text_that_is_not_utf8_is_1007(echo, data):
    echo.send(TEXT, data)
    echo.expect_close(1007)


@pytest.mark.parametrize("data", NOT_UTF8.values(), ids=NOT_UTF8)
def test_asgi_113_also_in_fragments(echo, data):
    echo.send(TEXT, data[:1], fin=False)
    echo.send(CONTINUATION, data[1:])
    echo.expect_close(1007)


def test_asgi_113_bad_text_is_seen_before_the_message_is_whole(echo):
    echo.send(TEXT, "κόσμε".encode() + b"\xf4\x90", fin=False)
    echo.expect_close(1007)


def test_bytes_may_be_anything(echo):
    echo.binary(b"\xff\xfe\x80")
    assert echo.message() == b"\xff\xfe\x80"


def test_asgi_113_messages_above_the_limit_are_1009(serve):
    server = serve("sockets.py", "--ws-max-size", "1000")
    with connect(server, "/echo") as socket:
        socket.binary(b"x" * 1000)
        assert len(socket.message()) == 1000
        socket.raw(frame(BINARY, b"x" * 1001)[:8])  # the length is enough
        socket.expect_close(1009)
    server.log.wait('"code": 1009')


def test_asgi_113_also_in_fragments_above_the_limit(serve):
    server = serve("sockets.py", "--ws-max-size", "1000")
    with connect(server, "/echo") as socket:
        socket.send(BINARY, b"x" * 600, fin=False)
        socket.send(PING)
        assert socket.frame().opcode == PONG
        socket.send(CONTINUATION, b"x" * 401)
        socket.expect_close(1009)


def test_a_huge_announced_length_takes_no_memory(serve):
    server = serve("sockets.py", "--ws-max-size", "1g")
    worker = server.wait_ready()[0]
    before = rss(worker)
    held = [connect(server, "/echo") for _ in range(50)]
    for socket in held:
        socket.raw(frame(BINARY, b"", length="64")[:2] + (1_000_000_000).to_bytes(8, "big") + b"\0\0\0\0" + b"x" * 1000)
        socket.send  # nothing more
    assert server.get("/http").status == 200
    assert rss(worker) - before < 20_000_000
    for socket in held:
        socket.client.close()


def rss(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_asgi_106_wrong_messages_of_the_app_raise(sockets):
    with connect(sockets, "/wrong-messages") as socket:
        assert socket.message() == "kept"
        assert socket.message() == b"array"
        assert socket.message() == b"view"
        found = json.loads(socket.message())
        socket.expect_close(1000)
    kinds = {name: outcome.split(":")[0] for name, outcome in found.items()}
    assert kinds == {
        "send before accept": "RuntimeError",
        "accept twice": "RuntimeError",
        "nothing": "ValueError",
        "both None": "ValueError",
        "both": "ValueError",
        "text of bytes": "TypeError",
        "bytes of str": "TypeError",
        "surrogate": "UnicodeEncodeError",
        "unknown type": "RuntimeError",
        "http": "RuntimeError",
        "close code": "ValueError",
        "close code type": "TypeError",
        "long reason": "ValueError",
        "unknown key": "sent",
        "bytearray": "sent",
        "memoryview": "sent",
    }

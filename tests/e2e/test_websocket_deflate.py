"""permessage-deflate (RFC 7692): what is agreed on, and that bombs stay small."""

import os
import zlib

import pytest

from harness.websocket import BINARY, CONTINUATION, PING, PONG, TEXT, connect, random_text

pytestmark = [pytest.mark.both_loops]

OFFER = "permessage-deflate; client_max_window_bits"


def offer(server, value, path="/echo", **options):
    return connect(server, path, [("Sec-WebSocket-Extensions", value)], **options)


class Compressor:
    def __init__(self, bits=15, takeover=True, level=6):
        self._make = lambda: zlib.compressobj(level, zlib.DEFLATED, -bits)
        self._compress, self._takeover = self._make(), takeover

    def __call__(self, data):
        if not self._takeover:
            self._compress = self._make()
        compressed = self._compress.compress(data) + self._compress.flush(zlib.Z_SYNC_FLUSH)
        assert compressed.endswith(b"\x00\x00\xff\xff")
        return compressed[:-4]


@pytest.mark.parametrize(
    "value, answer",
    [
        ("permessage-deflate", "permessage-deflate; server_max_window_bits=12"),
        (OFFER, "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"),
        ("permessage-deflate; client_max_window_bits=9; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10; client_max_window_bits=9"),
        ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12"),
        ("permessage-deflate; nonsense, permessage-deflate", "permessage-deflate; server_max_window_bits=12"),
        ("permessage-deflate; server_max_window_bits=8", None),
        ("x-webkit-deflate-frame", None),
        ("permessage-deflate; client_max_window_bits=99", None),
    ],
)
def test_what_is_agreed_on(sockets, value, answer):
    with offer(sockets, value) as socket:
        assert socket.response.header("sec-websocket-extensions") == answer
        socket.text("x" * 200)
        assert socket.message() == "x" * 200


def test_off(serve):
    server = serve("sockets.py", "--ws-per-message-deflate", "off")
    with offer(server, OFFER) as socket:
        assert socket.response.header("sec-websocket-extensions") is None
        socket.send(TEXT, b"x", rsv=4)
        socket.expect_close(1002)


@pytest.mark.parametrize("bits", range(9, 13))
@pytest.mark.parametrize("takeover", [True, False])
def test_messages_of_all_sizes(sockets, bits, takeover):
    value = f"permessage-deflate; client_max_window_bits={bits}; server_max_window_bits={bits}"
    value += "" if takeover else "; client_no_context_takeover; server_no_context_takeover"
    compress = Compressor(bits, takeover)
    with offer(sockets, value) as socket:
        socket._inflate = zlib.decompressobj(-bits)
        if not takeover:
            fresh = lambda: zlib.decompressobj(-bits)  # noqa: E731
        for size in (0, 1, 63, 64, 65, 500, 4095, 4096, 4097, 20_000, 200_000, 100, 64):
            text = (f"message of {size} bytes " * (size // 10 + 1))[:size]
            socket.send(TEXT, compress(text.encode()), rsv=4)
            if not takeover:
                socket._inflate = fresh()
            assert socket.message() == text, size


def test_a_large_window_of_the_clients(sockets):
    """Without client_max_window_bits the client may refer 32 KiB back."""
    compress = Compressor(15, level=9)
    data = os.urandom(30_000)
    with offer(sockets, "permessage-deflate") as socket:
        for _ in range(3):
            packed = compress(data)
            socket.send(BINARY, packed, rsv=4)
            assert socket.message() == data
    assert len(packed) < 1000, "the past was not used: this proves nothing"


def test_our_messages_refer_to_the_ones_before(sockets):
    with offer(sockets, OFFER) as socket:
        text = random_text(1000)
        sizes = []
        for _ in range(2):
            socket.text(text)
            found = socket.frame()
            assert found.rsv == 4
            sizes.append(len(found.payload))
        assert sizes[1] < 100 < sizes[0], sizes


def test_short_messages_are_not_compressed(sockets):
    with offer(sockets, OFFER) as socket:
        socket.text("short")
        assert socket.frame().rsv == 0


def test_uncompressed_messages_are_taken_too(sockets):
    compress = Compressor(12)
    with offer(sockets, OFFER) as socket:
        for number in range(4):
            socket.send(TEXT, compress(b"packed"), rsv=4)
            socket.text("plain")
            assert (socket.message(), socket.message()) == ("packed", "plain")


def test_fragments_have_one_bit_in_front(sockets):
    packed = Compressor(12)(b"in pieces " * 50)
    with offer(sockets, OFFER) as socket:
        socket.send(TEXT, packed[:3], rsv=4, fin=False)
        socket.send(PING)
        assert socket.frame().opcode == PONG
        socket.send(CONTINUATION, packed[3:5], fin=False)
        socket.send(CONTINUATION, packed[5:])
        assert socket.message() == "in pieces " * 50


@pytest.mark.parametrize("opcode", [CONTINUATION, PING])
def test_the_bit_elsewhere_is_1002(sockets, opcode):
    with offer(sockets, OFFER) as socket:
        socket.send(TEXT, Compressor(12)(b"x"), rsv=4, fin=False)
        socket.send(opcode, b"", rsv=4)
        socket.expect_close(1002)


@pytest.mark.parametrize("payload", [b"\xff\xff\xff", b"\x07", b"not deflate at all", b"\x00\x01\x00\x00\x00"])
def test_what_does_not_inflate_is_1007(sockets, payload):
    with offer(sockets, OFFER) as socket:
        socket.send(TEXT, payload, rsv=4)
        socket.expect_close(1007)


def test_text_that_inflates_to_something_else_is_1007(sockets):
    with offer(sockets, OFFER) as socket:
        socket.send(TEXT, Compressor(12)(b"\xff"), rsv=4)
        socket.expect_close(1007)


def test_a_last_block_may_be_marked(sockets):
    """RFC 7692 §7.2.3.4: BFINAL set, then an empty block."""
    compress = zlib.compressobj(6, zlib.DEFLATED, -12)
    data = compress.compress(b"Hello" * 30) + compress.flush(zlib.Z_FINISH)
    with offer(sockets, OFFER) as socket:
        for _ in range(2):
            socket.send(TEXT, data + b"\x00", rsv=4)
            assert socket.message() == "Hello" * 30


def test_the_examples_of_the_specification(sockets):
    """RFC 7692 §7.2.3: one block, two fragments, a stored block, two blocks in one message."""
    with offer(sockets, OFFER) as socket:
        socket.send(TEXT, bytes.fromhex("f248cdc9c90700"), rsv=4)
        socket.send(TEXT, bytes.fromhex("f248cd"), rsv=4, fin=False)
        socket.send(CONTINUATION, bytes.fromhex("c9c90700"))
        socket.send(TEXT, bytes.fromhex("f2001100 00".replace(" ", "")), rsv=4)  # refers to the past
        socket.send(TEXT, bytes.fromhex("000500faff48656c6c6f00"), rsv=4)
        socket.send(TEXT, bytes.fromhex("f24805000000ffffcac9c90700"), rsv=4)
        assert [socket.message() for _ in range(5)] == ["Hello"] * 5


def test_asgi_113_the_limit_is_on_the_inflated_size(serve):
    server = serve("sockets.py", "--ws-max-size", "10000")
    compress = Compressor(12)
    with offer(server, OFFER) as socket:
        socket.send(BINARY, compress(b"x" * 10_000), rsv=4)
        assert len(socket.message()) == 10_000
        socket.send(BINARY, compress(b"x" * 10_001), rsv=4)
        socket.expect_close(1009)


def test_bombs_take_no_memory(serve):
    server = serve("sockets.py")
    worker = server.wait_ready()[0]
    bomb = Compressor(12, level=9)(b"\0" * 500_000_000)
    assert len(bomb) < 1_000_000
    for _ in range(3):
        with offer(server, OFFER, timeout=20.0) as socket:
            socket.send(BINARY, bomb, rsv=4)
            socket.expect_close(1009)
    with open(f"/proc/{worker}/status") as file:
        peak = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    assert peak < 120_000, f"{peak} kB"

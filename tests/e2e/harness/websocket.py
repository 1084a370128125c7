"""A WebSocket client that sees and sends every bit: frames as wrong as a story wants them. It never answers by itself."""

import base64
import hashlib
import os
import struct
import zlib
from dataclasses import dataclass

from .response import Cut, NoResponse

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


@dataclass
class Frame:
    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0  # RSV1 is 4

    @property
    def code(self):
        assert self.opcode == CLOSE
        return struct.unpack(">H", self.payload[:2])[0] if self.payload else None

    @property
    def reason(self):
        return self.payload[2:].decode()


def frame(opcode, payload=b"", fin=True, rsv=0, mask=b"\x11\x82\x3c\x7f", length=None):
    """The bytes of a frame; `mask=None` leaves it unmasked, `length` ("16", "64") takes a longer form than needed."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    bit = 0x80 if mask else 0
    size = len(payload)
    if length == "64" or (length is None and size > 0xFFFF):
        head = struct.pack(">BBQ", first, bit | 127, size)
    elif length == "16" or (length is None and size > 125):
        head = struct.pack(">BBH", first, bit | 126, size)
    else:
        head = struct.pack(">BB", first, bit | size)
    if not mask:
        return head + payload
    key = (mask * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
    return head + mask + masked


def close_payload(code, reason=""):
    return struct.pack(">H", code) + reason.encode()


def handshake(path="/", headers=(), key=KEY, version="13", host="localhost", method="GET", http="1.1"):
    lines = [f"{method} {path} HTTP/{http}", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade"]
    if key is not None:
        lines.append(f"Sec-WebSocket-Key: {key}")
    if version is not None:
        lines.append(f"Sec-WebSocket-Version: {version}")
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class WebSocket:
    """One connection, over a `Client`."""

    def __init__(self, client, path="/", headers=(), **options):
        self.client = client
        client.send(handshake(path, headers, **options))
        self.response = client.head()
        self.accepted = self.response.status == 101
        if self.accepted:
            expected = base64.b64encode(hashlib.sha1(KEY.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
            assert self.response.header("sec-websocket-accept") == expected
            assert self.response.header("upgrade").lower() == "websocket"
            assert self.response.header("connection").lower() == "upgrade"
        self._inflate = zlib.decompressobj(-15)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.client.close()

    def raw(self, data):
        self.client.send(data)

    def send(self, opcode, payload=b"", **options):
        self.client.send(frame(opcode, payload, **options))

    def text(self, text):
        self.send(TEXT, text.encode())

    def binary(self, data):
        self.send(BINARY, data)

    def close(self, code=None, reason=""):
        self.send(CLOSE, b"" if code is None else close_payload(code, reason))

    def frame(self):
        """The next frame as it came; servers do not mask."""
        first, second = self.client.read(2)
        assert not second & 0x80, "a masked frame from the server"
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", self.client.read(2))
            assert size > 125, "not the shortest form"
        elif size == 127:
            (size,) = struct.unpack(">Q", self.client.read(8))
            assert size > 0xFFFF, "not the shortest form"
        payload = self.client.read(size) if size else b""
        return Frame(first & 0xF, payload, bool(first & 0x80), first >> 4 & 7)

    def message(self):
        """The next message: str or bytes. Anything else fails."""
        found = self.frame()
        assert found.opcode in (TEXT, BINARY) and found.fin and found.rsv in (0, 4), found
        payload = found.payload
        if found.rsv == 4:
            payload = self._inflate.decompress(payload + b"\x00\x00\xff\xff")
        return payload.decode() if found.opcode == TEXT else payload

    def expect_close(self, code, answer=True):
        """The server's close frame, our answer, and the end of the connection."""
        found = self.frame()
        assert found.opcode == CLOSE, found
        assert found.code == code, f"closed with {found.code} {found.reason!r}"
        if answer:
            try:
                self.close(found.code)
            except OSError:
                pass  # a server that failed the connection need not wait for it
        assert self.client.ending() == "closed"
        return found

    def ends(self):
        """The end of the connection without another frame."""
        assert self.client.ending() == "closed"


def connect(server, path="/", headers=(), timeout=10.0, receive_buffer=None, **options):
    """An accepted connection."""
    socket = WebSocket(server.connect(timeout=timeout, receive_buffer=receive_buffer), path, headers, **options)
    assert socket.accepted, f"not accepted: {socket.response.status}"
    return socket


def refused(server, path="/", headers=(), **options):
    """The whole HTTP response to a handshake that is not accepted."""
    client = server.connect()
    client.send(handshake(path, headers, **options))
    try:
        response = client.response()
        assert response.status != 101, "accepted"
        return response
    except (Cut, NoResponse):
        raise AssertionError("no whole response")
    finally:
        client.close()


def random_text(size):
    return base64.b64encode(os.urandom(size))[:size].decode()

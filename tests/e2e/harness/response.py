"""Reading HTTP/1.1 responses strictly: what a lenient client would forgive is an error here."""

import re
from dataclasses import dataclass, field

_STATUS_LINE = re.compile(rb"^HTTP/1\.([01]) (\d{3}) ([^\r\n]*)$")


class NoResponse(Exception):
    """The server closed before the first byte of a response."""


class Cut(Exception):
    """The connection ended within a response."""


class Malformed(Exception):
    """Bytes that are no HTTP response."""


@dataclass
class Response:
    status: int
    reason: str
    version: str
    headers: list  # (name, value) as sent, in order
    body: bytes = b""
    framing: str = ""  # "length", "chunked", "close", "none"
    chunks: list = field(default_factory=list)
    trailers: list = field(default_factory=list)
    interim: list = field(default_factory=list)  # the 1xx before it

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name):
        values = self.all(name)
        assert len(values) <= 1, f"{name} sent {len(values)} times"
        return values[0] if values else None

    @property
    def text(self):
        return self.body.decode()

    @property
    def closes(self):
        tokens = ",".join(self.all("connection")).lower().replace(" ", "").split(",")
        return "close" in tokens or (self.version == "1.0" and "keep-alive" not in tokens)


class Reader:
    def __init__(self, sock):
        self._socket = sock
        self._buffer = b""
        self._began = False

    def pending(self):
        return self._buffer

    def _more(self):
        data = self._socket.recv(65536)
        if not data:
            if self._began or self._buffer:
                raise Cut(f"after {self._buffer[-200:]!r}")
            raise NoResponse()
        self._buffer += data

    def _line(self):
        while b"\n" not in self._buffer:
            self._more()
        line, _, self._buffer = self._buffer.partition(b"\n")
        if not line.endswith(b"\r"):
            raise Malformed(f"bare line feed: {line!r}")
        return line[:-1]

    def exactly(self, count):
        # Not by `_more` alone: megabytes in small pieces would be copied again with each of them.
        found = bytearray(self._buffer)
        while len(found) < count:
            data = self._socket.recv(65536)
            if not data:
                self._buffer = bytes(found)
                self._more()
            found += data
        self._buffer = bytes(found[count:])
        return bytes(found[:count])

    def _fields(self):
        found = []
        while line := self._line():
            name, colon, value = line.partition(b":")
            if not colon or not re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
                raise Malformed(f"header line {line!r}")
            found.append((name.decode(), value.strip(b" \t").decode("latin-1")))
        return found

    def _one_head(self):
        line = self._line()
        self._began = True
        match = _STATUS_LINE.match(line)
        if not match:
            raise Malformed(f"status line {line!r}")
        return Response(int(match[2]), match[3].decode("latin-1"), "1." + match[1].decode(), self._fields())

    def head(self):
        self._began = False
        interim = []
        while True:
            response = self._one_head()
            if response.status >= 200 or response.status == 101:
                response.interim = interim
                return response
            interim.append(response)

    def response(self, method="GET"):
        response = self.head()
        length, coding = response.header("content-length"), response.header("transfer-encoding")
        if length is not None and coding is not None:
            raise Malformed("Content-Length with Transfer-Encoding")
        if method == "HEAD" or response.status in (204, 304):
            response.framing = "none"
        elif coding is not None:
            if coding.lower() != "chunked" or response.version == "1.0":
                raise Malformed(f"Transfer-Encoding: {coding} in HTTP/{response.version}")
            response.framing = "chunked"
            while chunk := self.chunk():
                response.chunks.append(chunk)
            response.body = b"".join(response.chunks)
            response.trailers = self._last_trailers
        elif length is not None:
            response.framing = "length"
            response.body = self.exactly(int(length))
        else:
            response.framing = "close"
            response.body = self.rest()
        self._began = False
        return response

    def chunk(self):
        line = self._line()
        if not re.fullmatch(rb"[0-9a-fA-F]+", line):
            raise Malformed(f"chunk size {line!r}")
        size = int(line, 16)
        if size == 0:
            self._last_trailers = self._fields()
            return b""
        data = self.exactly(size)
        if self._line() != b"":
            raise Malformed("chunk without its line end")
        return data

    def rest(self):
        parts = [self._buffer]
        self._buffer = b""
        while data := self._socket.recv(65536):
            parts.append(data)
        return b"".join(parts)

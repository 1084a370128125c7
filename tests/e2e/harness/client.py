"""An HTTP/1.1 client that sees everything: raw bytes out, responses in with their framing, half-closes, resets. No retries."""

import socket
import struct

from .response import Reader


class Client:
    """One connection. `send` takes any bytes, so requests may be as wrong as a story wants them."""

    def __init__(self, sock):
        self.socket = sock
        self._reader = Reader(sock)

    @classmethod
    def tcp(cls, host, port, timeout=10.0, receive_buffer=None, source=None):
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            # Before the connect: it bounds the window that is offered.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(timeout)
        if source:
            sock.bind((source, 0))
        sock.connect((host, port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(sock)

    @classmethod
    def unix(cls, path, timeout=10.0):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        sock.connect(str(path))
        return cls(sock)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.close()

    def send(self, data):
        self.socket.sendall(data)

    def request(self, method="GET", target="/", headers=(), body=None, host="localhost", version="1.1"):
        """Send a well-formed request; a body of bytes gets its Content-Length."""
        head = [f"{method} {target} HTTP/{version}"]
        if host is not None:
            head.append(f"Host: {host}")
        head += [f"{name}: {value}" for name, value in headers]
        if body is not None and not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in headers):
            head.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + (body or b""))

    def get(self, target="/", headers=(), **options):
        self.request("GET", target, headers, **options)
        return self.response()

    def post(self, target, body, headers=(), **options):
        self.request("POST", target, headers, body, **options)
        return self.response()

    def response(self, method="GET"):
        """The next response, whole. Raises `Cut` when the connection ends within it, `NoResponse` when before it."""
        return self._reader.response(method)

    def head(self):
        """The next response's head only; its body comes by `chunk()` or `read()`."""
        return self._reader.head()

    def chunk(self):
        """One chunk of a chunked body; b"" is its end."""
        return self._reader.chunk()

    def read(self, count):
        return self._reader.exactly(count)

    def rest(self):
        """Everything until the server closes."""
        return self._reader.rest()

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()

    def reset(self):
        """Leave as a crashed client does: RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def ending(self):
        """How the server ends an idle connection: "closed" or "reset"; any byte instead is an error."""
        try:
            data = self._reader.rest()
        except ConnectionResetError:
            return "reset"
        assert data == b"", f"bytes instead of the end of the connection: {data[:200]!r}"
        return "closed"

    def quiet(self, seconds):
        """True when nothing arrives, not even an end, for that long."""
        if self._reader.pending():
            return False
        timeout = self.socket.gettimeout()
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
            return False
        except socket.timeout:  # TimeoutError from Python 3.10 on
            return True
        finally:
            self.socket.settimeout(timeout)

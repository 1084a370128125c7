"""Requests as bytes, responses as received."""

import socket

from harness.response import Cut, Malformed, NoResponse, Reader


def ask(server, request):
    """One request over its own connection; the answer, or what became of the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        try:
            sock.sendall(request)
            return Reader(sock).response("HEAD" if request.startswith(b"HEAD") else "GET")
        except (OSError, AssertionError, Cut, Malformed, NoResponse):
            return None


def over(path, request):
    """The whole response over a unix socket; empty while no process accepts."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        try:
            sock.connect(str(path))
            sock.sendall(request)
            return b"".join(iter(lambda: sock.recv(65536), b""))
        except OSError:
            return b""


def head(first, *fields, body=b""):
    lines = [first.encode("latin-1"), *(field.encode("latin-1") for field in fields), b"Connection: close"]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body

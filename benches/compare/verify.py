"""Whether a server answers one workload rightly: status, framing, headers, body, and what becomes of the connection."""

from __future__ import annotations

import http.client
import socket
import time

from . import secure
from .workloads import Workload


class Wrong(Exception):
    """The server's answer is not the workload's."""


def exchange(connection: socket.socket, workload: Workload, port: int) -> http.client.HTTPResponse:
    connection.sendall(workload.request(port))
    response = http.client.HTTPResponse(connection, method=workload.method)
    response.begin()
    body = response.read()
    if response.status != 200:
        raise Wrong(f"status {response.status}: {body[:200]!r}")
    if body != workload.expect:
        raise Wrong(f"a body of {len(body)} bytes {body[:60]!r}, expected {len(workload.expect)} {workload.expect[:60]!r}")
    fields = {name: response.headers.get_all(name, []) for name in ("content-type", "content-length", "transfer-encoding")}
    if [value.partition(";")[0] for value in fields["content-type"]] != [workload.content_type]:
        raise Wrong(f"content-type {fields['content-type']}, expected {workload.content_type}")
    framing = fields["content-length"], fields["transfer-encoding"]
    right = {"length": ([str(len(body))], []), "chunked": ([], ["chunked"])}
    if framing not in ([right[workload.framing]] if workload.framing in right else [*right.values(), ([], [])]):
        raise Wrong(f"content-length {framing[0]}, transfer-encoding {framing[1]}; expected: {workload.framing}")
    return response


def connect(workload: Workload, port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=5)
    return secure.context().wrap_socket(connection) if workload.secure else connection


def exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := connection.recv(count - len(data))):
        data += more
    return data


def check_echo(workload: Workload, port: int) -> None:
    """The handshake, two echoes, and a close that is answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(workload.request(port))
        head = b""
        while not head.endswith(b"\r\n\r\n") and (byte := connection.recv(1)):
            head += byte
        if not head.startswith(b"HTTP/1.1 101 ") or b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" not in head:
            raise Wrong(f"handshake {head[:300]!r}")
        if b"permessage-deflate" in head:
            raise Wrong("compression that was not offered")
        size = len(workload.expect)
        for message in (workload.expect, workload.expect[::-1]):
            connection.sendall(bytes([0x81, 0x80 | size, 0, 0, 0, 0]) + message)
            if (echo := exactly(connection, size + 2)) != bytes([0x81, size]) + message:
                raise Wrong(f"not the echo: {echo!r}")
        connection.sendall(b"\x88\x82\0\0\0\0\x03\xe8")
        if (close := exactly(connection, 4)) != b"\x88\x02\x03\xe8":
            raise Wrong(f"not the answer to a close: {close!r}")


def check(workload: Workload, port: int, keeps_alive: bool) -> None:
    """Two requests on one connection where the server keeps it; a close where it was asked for or announced."""
    try:
        if workload.websocket:
            return check_echo(workload, port)
        with connect(workload, port) as connection:
            response = exchange(connection, workload, port)
            closes = workload.close or not keeps_alive
            if response.headers.get("connection", "").lower() == "close" and not closes:
                raise Wrong("the server closes, where the connection was to be kept")
            if not closes:
                exchange(connection, workload, port)
            elif connection.recv(1) != b"":
                raise Wrong("bytes after the response, where the connection was to be closed")
    except (OSError, http.client.HTTPException) as e:
        raise Wrong(f"{type(e).__name__}: {e}") from e


def wait_for_200(workload: Workload, port: int, ended, patience: float) -> float:
    """Tries until the first answer with 200; returns the moment. `ended` says whether waiting has become vain."""
    deadline = time.monotonic() + patience
    error: Exception | None = None
    while time.monotonic() < deadline and not ended():
        try:
            with connect(workload, port) as connection:
                connection.sendall(workload.request(port))
                head = connection.recv(65536)
                now = time.monotonic()
                status = head.split(b" ", 2)[1:2]
                if status == [b"101" if workload.websocket else b"200"]:
                    return now
                if workload.nginx and status == [b"502"]:
                    raise ConnectionRefusedError("nginx does not reach it")
                raise Wrong(f"the first answer is {head[:300]!r}")
        except OSError as e:
            error = e
            time.sleep(0.001)
    raise Wrong(f"did not come up: {error}")

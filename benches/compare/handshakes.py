"""Connections one after the other, each with a handshake, a request and the end: `handshakes PORT SECONDS full|resumed REQUEST EXPECT`."""

from __future__ import annotations

import json
import socket
import sys
import time
from pathlib import Path

from .secure import context


def once(tls, port: int, request: bytes, session):
    """The answer, and what resumes the session."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        with tls.wrap_socket(plain, session=session) as connection:
            connection.sendall(request)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
            return answer, connection.session, connection.session_reused


def main() -> None:
    port, seconds, kind = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    request, expect = (Path(name).read_bytes() for name in sys.argv[4:6])
    tls, session, took, error = context(), None, [], None
    if kind == "resumed":
        _, session, _ = once(tls, port, request, None)
    began = time.monotonic()
    while not error and (now := time.monotonic()) < began + seconds:
        answer, ticket, reused = once(tls, port, request, session)
        took.append((time.monotonic() - now) * 1e6)
        if not answer.startswith(b"HTTP/1.1 200") or not answer.endswith(b"\r\n\r\n" + expect):
            error = f"the answer is {answer[:200]!r}"
        elif reused != (kind == "resumed"):
            error = f"session reused: {reused}"
        if session:
            session = ticket
    elapsed = time.monotonic() - began
    took.sort()
    print(json.dumps({
        "requests": len(took), "seconds": elapsed, "errors": int(bool(error)), "first_error": error, "opened": len(took),
        "p50_us": took[len(took) // 2], "p99_us": took[len(took) * 99 // 100],
    }))


if __name__ == "__main__":
    main()

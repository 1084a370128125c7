"""The workloads, as data: which application, which request, and the exact answer that is right."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .apps import raw_asgi

BODY = bytes(97 + (i * 7 + i // 26) % 26 for i in range(8192))
ITEM = {"number": 42, "q": "abc", "tags": ["a", "b", "c"]}
COMPACT = json.dumps(ITEM, separators=(",", ":")).encode()


HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@dataclass(frozen=True)
class Workload:
    name: str
    interface: str
    title: str
    app: str
    expect: bytes
    path: str = "/"
    method: str = "GET"
    body: bytes = b""
    content_type: str = "text/plain"
    #: "length": the application's Content-Length, once; "chunked": Transfer-Encoding: chunked; "any": the application
    #: gives no length, and the server may choose.
    framing: str = "length"
    #: One connection per request; the client asks for the close.
    close: bool = False
    connections: tuple[int, ...] = (1, 8, 64)
    #: `expect` is a text message that comes back; the request is the handshake.
    websocket: bool = False
    #: nginx stands between, and reaches the server over a unix socket: "close" (a connection for each request, as it does by
    #: itself) or "keep-alive".
    nginx: str = ""
    #: Over TLS: "http/1.1" and "h2" (16 streams on each connection, but for uploads) with connections that are kept, "full" and
    #: "resumed" with a handshake for each request.
    secure: str = ""
    #: Who takes part; empty: all of the interface.
    servers: tuple[str, ...] = ()
    #: Counts of application threads that it is measured with.
    threads: tuple[int, ...] = (1, 4)

    def request(self, port: int) -> bytes:
        if self.websocket:
            return HANDSHAKE.format(path=self.path, port=port).encode()
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "User-Agent: bench", "Accept: */*"]
        if self.body:
            lines += ["Content-Type: text/plain", f"Content-Length: {len(self.body)}"]
        if self.close:
            lines.append("Connection: close")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


HELLO, TEN_KB = raw_asgi.HELLO, raw_asgi.TEN_KB
STREAM = raw_asgi.CHUNK * raw_asgi.CHUNKS
QUERY = "/42?q=abc"


def through_nginx(interface: str, app: str) -> tuple[Workload, ...]:
    """nginx has the load's CPU: only the server's share is measured."""
    kinds = (("nginx", "close", "a connection each"), ("nginx-keep-alive", "keep-alive", "upstream keep-alive"))
    return tuple(
        Workload(
            name, interface, f"hello through nginx, unix socket, {title}", app, HELLO, connections=(64,), nginx=kind, threads=(1,),
            servers=("rgun", "rgun-asyncio", "granian", "uvicorn", "gunicorn-uvicorn", "gunicorn-asgi", "gunicorn-sync",
                     "gunicorn-gthread", "uwsgi"),
        )
        for name, kind, title in kinds
    )


TLS_SERVERS = ("rgun", "rgun-asyncio", "granian", "hypercorn", "uvicorn", "nginx")
H2_SERVERS = ("rgun", "rgun-asyncio", "granian", "hypercorn")

#: nginx answers without an app: it is the limit of what TLS costs.
SECURE = (
    Workload("tls-hello", "asgi", "hello over TLS, keep-alive", "raw_asgi:hello", HELLO, connections=(64,), secure="http/1.1",
             servers=TLS_SERVERS),
    Workload("tls-full", "asgi", "hello over TLS, a full handshake each", "raw_asgi:hello", HELLO, close=True, connections=(1,),
             secure="full", servers=TLS_SERVERS),
    Workload("tls-resumed", "asgi", "hello over TLS, a resumed handshake each", "raw_asgi:hello", HELLO, close=True, connections=(1,),
             secure="resumed", servers=("rgun", "rgun-asyncio", "granian", "uvicorn", "nginx")),
    Workload("h2-hello", "asgi", "hello over HTTP/2, 16 streams each", "raw_asgi:hello", HELLO, connections=(16,), secure="h2",
             servers=(*H2_SERVERS, "nginx")),
    Workload("h2-10kb", "asgi", "a body of 10 KB over HTTP/2, 16 streams each", "raw_asgi:ten_kb", TEN_KB, connections=(16,),
             secure="h2", servers=H2_SERVERS),
    Workload("h2-upload", "asgi", "an upload of 1 MB over HTTP/2", "raw_asgi:upload", HELLO, method="POST", body=bytes(1 << 20),
             connections=(16,), secure="h2", servers=H2_SERVERS),
)

WORKLOADS = (
    Workload("hello", "asgi", "hello: 13 bytes, keep-alive", "raw_asgi:hello", HELLO),
    Workload("10kb", "asgi", "a body of 10 KB", "raw_asgi:ten_kb", TEN_KB),
    Workload("echo", "asgi", "POST of 8 KB, read and sent back", "raw_asgi:echo", BODY, method="POST", body=BODY),
    Workload("stream", "asgi", "a stream of 50 chunks of 256 bytes", "raw_asgi:stream", STREAM, framing="chunked"),
    Workload("connect", "asgi", "hello, one connection per request", "raw_asgi:hello", HELLO, close=True),
    Workload(
        "fastapi", "asgi", "FastAPI, JSON", "fastapi_json:app", COMPACT, path="/item" + QUERY,
        content_type="application/json",
    ),
    Workload(
        "django", "asgi", "Django, asynchronous view", "django_site:asgi", json.dumps(ITEM).encode(), path="/async" + QUERY,
        content_type="application/json", framing="any",
    ),
    Workload(
        "websocket", "asgi", "WebSocket, echo of 16 bytes of text", "raw_asgi:ws_echo", b"sixteen bytes...", connections=(64,),
        websocket=True, servers=("rgun", "rgun-asyncio", "granian", "uvicorn"),
    ),
    *through_nginx("asgi", "raw_asgi:hello"),
    *SECURE,
    Workload("hello", "wsgi", "hello: 13 bytes, keep-alive", "raw_wsgi:hello", HELLO),
    Workload("10kb", "wsgi", "a body of 10 KB", "raw_wsgi:ten_kb", TEN_KB),
    Workload("echo", "wsgi", "POST of 8 KB, read and sent back", "raw_wsgi:echo", BODY, method="POST", body=BODY),
    Workload("connect", "wsgi", "hello, one connection per request", "raw_wsgi:hello", HELLO, close=True),
    Workload(
        "flask", "wsgi", "Flask, JSON", "flask_json:app", COMPACT + b"\n", path="/item" + QUERY,
        content_type="application/json",
    ),
    Workload(
        "django", "wsgi", "Django, synchronous view", "django_site:wsgi", json.dumps(ITEM).encode(), path="/sync" + QUERY,
        content_type="application/json", framing="any",
    ),
    *through_nginx("wsgi", "raw_wsgi:hello"),
)


@dataclass(frozen=True)
class Group:
    """What is compared with one another: an interface and a number of application threads."""

    interface: str
    threads: int

    @property
    def name(self) -> str:
        return self.interface if self.interface == "asgi" else f"{self.interface}-{self.threads}"

    @property
    def title(self) -> str:
        if self.interface == "asgi":
            return "ASGI"
        return f"{self.interface.upper()}, {self.threads} application thread{'s' if self.threads > 1 else ''}"


GROUPS = (Group("asgi", 1), Group("wsgi", 1), Group("wsgi", 4))

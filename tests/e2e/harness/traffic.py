"""Clients of every kind, each in a thread of its own. None retries; an exchange that has no whole answer is lost."""

import hashlib
import random
import threading
import time
from collections import Counter

from .client import Client
from .http2 import Http2Client
from .response import Cut, NoResponse
from .tls import TlsClient
from .websocket import CLOSE, PING, PONG, TEXT, WebSocket

# An app may answer with it: a version that is to be taken back.
WORSE = 500


class Lost(Exception):
    """No answer, or not the one that was due."""


class Traffic:
    """`with Traffic(port, tls_port, authority, files) as traffic:`; `files`: directory that is served below /files."""

    def __init__(self, port, tls_port, authority, files, upload=1 << 20, pause=0.005):
        self.port, self.tls_port, self.authority, self.upload, self.pause = port, tls_port, authority, upload, pause
        self.file = random.Random(1).randbytes(300_000)
        (files / "file.bin").write_bytes(self.file)
        self.answered, self.lost, self.resumed = Counter(), [], Counter()
        self._lock, self._stop = threading.Lock(), threading.Event()
        kinds = [self.keep_alive, self.keep_alive, self.fresh, self.fresh, self.tls, self.resumed_tls, self.files, self.stream, self.events, self.uploads, self.websocket, self.http2]
        self._threads = [threading.Thread(target=self._run, args=(kind,), daemon=True) for kind in kinds]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *failure):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, kind):
        while not self._stop.is_set():
            try:
                kind()
            except (OSError, Cut, NoResponse, Lost, AssertionError) as error:
                with self._lock:
                    self.lost.append((time.time(), kind.__name__, repr(error)))
                self._stop.wait(0.05)

    def _count(self, kind):
        with self._lock:
            self.answered[kind] += 1
        self._stop.wait(self.pause)

    def connect(self):
        return Client.tcp("127.0.0.1", self.port, timeout=30)

    def keep_alive(self):
        with self.connect() as client:
            while not self._stop.is_set():
                response = client.get()
                check(response)
                self._count("keep-alive")
                if response.closes:
                    return

    def fresh(self):
        with self.connect() as client:
            check(client.get(headers=[("connection", "close")]))
        self._count("new connections")

    def tls(self):
        with TlsClient.connect(self.tls_port, self.authority.context(), timeout=30) as client:
            check(client.get(headers=[("connection", "close")]))
        self._count("TLS")

    def resumed_tls(self):
        """Each connection resumes the session of the one before."""
        context, session = self.authority.context(), None
        while not self._stop.is_set():
            with TlsClient.connect(self.tls_port, context, timeout=30, session=session) as client:
                check(client.get(headers=[("connection", "close")]))
                if session is not None:
                    self.resumed[client.socket.session_reused] += 1
                session = client.socket.session
            self._count("TLS with a session")

    def files(self):
        """Whole, and a part of it."""
        with self.connect() as client:
            while not self._stop.is_set():
                whole = client.get("/files/file.bin")
                if (whole.status, whole.body) != (200, self.file):
                    raise Lost(f"a file: {whole.status}, {len(whole.body)} bytes")
                self._count("files")
                if whole.closes:
                    return
                part = client.get("/files/file.bin", headers=[("range", "bytes=1000-1999")])
                if (part.status, part.body) != (206, self.file[1000:2000]):
                    raise Lost(f"a part of a file: {part.status}, {len(part.body)} bytes")
                self._count("files")
                if part.closes:
                    return

    def events(self):
        """Server-sent events for two seconds, longer than a deploy takes."""
        with self.connect() as client:
            response = client.get("/events", headers=[("connection", "close"), ("accept", "text/event-stream")])
            if response.body != b"".join(b"data: %d\n\n" % number for number in range(40)):
                raise Lost(f"events: {response.body[-100:]!r}")
        self._count("streams of events")

    def stream(self):
        with self.connect() as client:
            response = client.get("/stream", headers=[("connection", "close")])
            if response.body != b"event\n" * 5:
                raise Lost(f"a stream of {len(response.body)} bytes")
        self._count("streams")

    def uploads(self):
        body = bytes(range(256)) * (self.upload // 256)
        with self.connect() as client:
            response = client.post("/upload", body, headers=[("connection", "close")])
            if response.text != hashlib.sha256(body).hexdigest():
                raise Lost("an upload arrived damaged")
        self._count("uploads")

    def websocket(self):
        """Until the server closes it, which it says."""
        with WebSocket(self.connect(), "/ws") as socket:
            if not socket.accepted:
                raise Lost(f"a WebSocket was refused with {socket.response.status}")
            number = 0
            while not self._stop.is_set():
                number += 1
                socket.text(str(number))
                while (found := socket.frame()).opcode == PING:
                    socket.send(PONG, found.payload)
                if found.opcode == CLOSE:
                    socket.close(found.code)
                    return
                if (found.opcode, found.payload) != (TEXT, str(number).encode()):
                    raise Lost(f"not the echo: {found}")
                self._count("WebSocket messages")

    def http2(self):
        """Until the server takes no more streams, which it says before it closes."""
        with Http2Client.tls(self.tls_port, self.authority, timeout=30) as client:
            while not self._stop.is_set() and not client.goaways:
                stream = client.begin("/")
                while not stream.is_over and not client.closed:
                    client.step(30)
                last = min((last for last, _ in client.goaways), default=stream.number)
                if stream.number > last:
                    # It was not processed: the server says so, and another connection takes it.
                    return
                if not stream.ended or stream.status not in (200, WORSE):
                    raise Lost(f"stream {stream.number}: reset {stream.reset}, headers {stream.headers}, {client.goaways}")
                self._count("HTTP/2 streams")


def check(response):
    if response.status not in (200, WORSE) or (response.status == WORSE) != (response.body == b"worse"):
        raise Lost(f"{response.status} {response.body[:200]!r}")

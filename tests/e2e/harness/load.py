"""Closed-loop clients that never retry and count every failure by its kind: a reload must not affect them."""

import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass

from .response import Cut, NoResponse
from .waiting import eventually


@dataclass
class Exchange:
    """One answered request; `before` and `name` as with one that was lost."""

    started: float
    ended: float
    status: int
    body: bytes
    before: "bytes | None"
    name: str


@dataclass
class Lost:
    """One request without an answer. `before`: the last response on its connection, if there was one.

    `name` tells the requests of all loads apart; the app finds it in the header `X-Load-Request`.
    """

    started: float
    ended: float
    kind: str
    before: "bytes | None"
    name: str


_numbers = itertools.count(1)


class Load:
    """`clients` threads; each sends the next request when the last was answered.

    keep_alive: one connection as long as the server allows (it says so with `Connection: close`); else one per request.
    """

    def __init__(self, server, clients=4, keep_alive=True, path="/", pause=0.001, expect=200, headers=()):
        self._server, self._path, self._keep_alive = server, path, keep_alive
        self._pause, self._expect, self._headers = pause, expect, list(headers)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.exchanges = []
        self.failures = Counter()
        self.details = []
        self.lost = []
        server.port  # known before the clock starts
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.stop()

    def _run(self):
        client = before = None
        while not self._stop.is_set():
            started, name = time.monotonic(), str(next(_numbers))
            headers = [("x-load-request", name), *self._headers] + ([] if self._keep_alive else [("connection", "close")])
            try:
                client = client or self._server.connect(timeout=20.0)
                response = client.get(self._path, headers=headers)
            except (OSError, Cut, NoResponse) as error:
                with self._lock:
                    self.lost.append(Lost(started, time.monotonic(), _kind(error), before, name))
                self._failed(_kind(error), error, client)
                client = before = None
                continue
            with self._lock:
                self.exchanges.append(Exchange(started, time.monotonic(), response.status, response.body, before, name))
            before = response.body
            if response.status != self._expect:
                self._failed(f"status {response.status}", response.body[:200], None)
            if response.closes or not self._keep_alive:
                client.close()
                client = before = None
            self._stop.wait(self._pause)
        if client is not None:
            client.close()

    def _failed(self, kind, detail, client):
        with self._lock:
            self.failures[kind] += 1
            self.details.append((time.monotonic(), kind, repr(detail)))
        if client is not None:
            client.close()
        # A server that is gone would be retried in a busy loop.
        self._stop.wait(0.01)

    @property
    def answered(self):
        return len(self.exchanges)

    def bodies(self):
        with self._lock:
            return Counter(exchange.body for exchange in self.exchanges)

    def flows(self, more=20):
        """Wait until that many further requests were answered."""
        goal = self.answered + more
        eventually(lambda: self.answered >= goal or self.failures, f"{more} more answers")

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def assert_nothing_failed(self, at_least=1):
        self.stop()
        assert not self.failures, f"{dict(self.failures)} of {self.answered}: {self.details[:5]}"
        assert self.answered >= at_least, f"only {self.answered} requests: the load proves nothing"


def _kind(error):
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        return "reset"
    if isinstance(error, NoResponse):
        return "closed without an answer"
    if isinstance(error, Cut):
        return "answer cut"
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return "no answer in time"
    return type(error).__name__


def assert_one_version_at_a_time(load, old, new):
    """No connection begun after `new` was once seen was answered by `old` (for loads with a connection per request)."""
    with load._lock:
        exchanges = list(load.exchanges)
    first = min((exchange.ended for exchange in exchanges if exchange.body == new), default=None)
    assert first is not None, f"{new!r} was never served"
    late = [exchange for exchange in exchanges if exchange.body == old and exchange.started > first]
    assert not late, f"{len(late)} connections were answered by {old!r} up to {max(e.started for e in late) - first:.3f} s after {new!r}"

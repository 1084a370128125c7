"""Responses of one HTTP/2 connection that are ready in the same turn of the event loop share a TLS record, and with it a write and a packet."""

import socket
import ssl

import pytest
from harness.http2 import Http2Client, context

pytestmark = [pytest.mark.both_loops]

STREAMS = 40
APPLICATION_DATA = 23

# All of them answer in the same turn, the first one too.
APP = """
import asyncio

waiting = []

async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/together":
        turn = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        if len(waiting) == %d:
            for other in waiting:
                other.set_result(None)
            waiting.clear()
        await turn
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
""" % STREAMS


class RecordSocket:
    """A TLS client that counts the records that it receives."""

    def __init__(self, port, authority):
        self.raw = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context(authority).wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.received, self.records = b"", 0
        self.settimeout, self.close = self.raw.settimeout, self.raw.close
        self.until(self.session.do_handshake)

    def until(self, act):
        while True:
            try:
                return act()
            except ssl.SSLWantReadError:
                self.raw.sendall(self.outgoing.read())
                received = self.raw.recv(65536)
                assert received, "the connection has ended"
                self.count(received)
                self.incoming.write(received)

    def count(self, received):
        self.received += received
        while len(self.received) >= 5 and len(self.received) >= (size := 5 + int.from_bytes(self.received[3:5], "big")):
            self.records += self.received[0] == APPLICATION_DATA
            self.received = self.received[size:]

    def sendall(self, data):
        self.session.write(data)
        self.raw.sendall(self.outgoing.read())

    def recv(self, size):
        return self.until(lambda: self.session.read(size))


def test_what_is_ready_together_leaves_together(serve, app, authority):
    app.write(APP, "app.py")
    chain, key = authority.issue("server", ["localhost"])
    server = serve(None, "--certfile", chain, "--keyfile", key)
    transport = RecordSocket(server.port, authority)
    with Http2Client(transport) as client:
        assert client.get("/").body == b"hello"
        before = transport.records
        streams = [client.prepare("/together") for _ in range(STREAMS)]
        client.flush()
        assert [client.finish(stream).body for stream in streams] == [b"hello"] * STREAMS
        # One, and another whenever the machine has stopped the worker for longer than output is held back.
        assert transport.records - before <= STREAMS // 4

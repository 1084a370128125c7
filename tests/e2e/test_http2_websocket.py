"""WebSockets over HTTP/2 (RFC 8441)."""

import struct

import pytest
from harness.http2 import Http2Client
from harness.websocket import BINARY, CLOSE, PING, PONG, TEXT, close_payload, frame

pytestmark = [pytest.mark.both_artifacts, pytest.mark.both_loops]

ENABLE_CONNECT_PROTOCOL = 8


@pytest.fixture
def cleartext(serve):
    return lambda *options, **keywords: serve("http2.py", "--http2", "prior-knowledge", *options, **keywords)


class Tunnel:
    """A WebSocket in a stream."""

    def __init__(self, client, path="/", headers=(), version="13", protocol="websocket"):
        self.client = client
        fields = [*headers, *([("sec-websocket-version", version)] if version else [])]
        self.stream = client.begin(path, method="CONNECT", end=False, headers=fields, protocol=protocol)
        client.until(lambda: self.stream.headers or self.stream.is_over)

    def send(self, opcode, payload=b""):
        self.client.send(self.stream, frame(opcode, payload))

    def receive(self):
        """The next frame: opcode and payload."""
        body = self.stream.body

        def size():
            if len(body) < 2 or (body[1] == 126 and len(body) < 4) or (body[1] == 127 and len(body) < 10):
                return None
            if body[1] == 126:
                return 4 + struct.unpack(">H", body[2:4])[0]
            return 10 + struct.unpack(">Q", body[2:10])[0] if body[1] == 127 else 2 + body[1]

        self.client.until(lambda: size() and len(body) >= size())
        whole = bytes(body[:size()])
        del body[:size()]
        return whole[0] & 15, whole[{126: 4, 127: 10}.get(whole[1], 2):]


def test_messages_in_both_directions(cleartext):
    server = cleartext("--access-logfile", "-", "--ws-per-message-deflate", "off")
    with Http2Client.cleartext(server.port) as client:
        tunnel = Tunnel(client, "/chat", headers=[("sec-websocket-protocol", "one, two")])
        assert client.connection.remote_settings[ENABLE_CONNECT_PROTOCOL] == 1
        assert tunnel.stream.status == 200
        assert tunnel.stream.fields["sec-websocket-protocol"] == "one"
        assert not {"sec-websocket-accept", "upgrade", "connection"} & set(tunnel.stream.fields)
        tunnel.send(TEXT, b"hello")
        assert tunnel.receive() == (TEXT, b"2 hello")
        large = bytes(range(256)) * 2_000
        tunnel.send(BINARY, large)
        assert tunnel.receive() == (BINARY, large)
        tunnel.send(PING, b"?")
        assert tunnel.receive() == (PONG, b"?")
        # Beside others.
        assert client.get("/").body == b"hello"
        second = Tunnel(client)
        second.send(TEXT, b"too")
        assert second.receive() == (TEXT, b"2 too")
        tunnel.send(CLOSE, close_payload(1000))
        assert tunnel.receive() == (CLOSE, close_payload(1000))
        client.until(lambda: tunnel.stream.is_over)
        assert tunnel.stream.ended
    server.log.wait(r'"GET /chat HTTP/2\.0" 200')


def test_what_is_no_handshake(cleartext):
    server = cleartext()
    with Http2Client.cleartext(server.port) as client:
        assert Tunnel(client, version="12").stream.status == 426
        assert Tunnel(client, version=None).stream.status == 426
        assert Tunnel(client, protocol="connect-udp").stream.status in (400, 501)
        assert Tunnel(client, "/refuse").stream.status == 403
        assert client.get("/").body == b"hello"


def test_without_websockets_it_is_not_offered(cleartext):
    server = cleartext("--ws", "off")
    with Http2Client.cleartext(server.port) as client:
        client.get("/")
        assert client.connection.remote_settings[ENABLE_CONNECT_PROTOCOL] == 0
        assert Tunnel(client).stream.reset == 1


def test_a_wsgi_app_has_none(cleartext):
    server = cleartext(spec="app:application")
    with Http2Client.cleartext(server.port) as client:
        client.get("/")
        assert client.connection.remote_settings[ENABLE_CONNECT_PROTOCOL] == 0


def test_a_drain_closes_them_in_order(cleartext):
    server = cleartext()
    with Http2Client.cleartext(server.port) as client:
        tunnel = Tunnel(client)
        assert tunnel.stream.status == 200
        server.terminate()
        opcode, payload = tunnel.receive()
        assert (opcode, payload[:2]) == (CLOSE, close_payload(1001))
        tunnel.send(CLOSE, payload)
        client.until_closed()
        assert tunnel.stream.ended and len(client.goaways) == 2
    assert server.wait_exit() == 0

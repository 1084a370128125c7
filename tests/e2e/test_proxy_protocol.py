"""Behind a proxy that passes bytes on: the PROXY header, both versions."""

import json
import socket
import struct

import pytest

from harness.origin import ask, both

pytestmark = [pytest.mark.both_artifacts]

LINE = b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def binary(command=0x21, family=0x11, body=None, fields=b""):
    if body is None:
        body = socket.inet_aton("203.0.113.7") + socket.inet_aton("198.51.100.1") + struct.pack("!HH", 4711, 443)
    return SIGNATURE + struct.pack("!BBH", command, family, len(body) + len(fields)) + body + fields


HEADERS = [LINE, binary(), binary(fields=b"\x04\x00\x03abc")]


@both
@pytest.mark.parametrize("header", HEADERS, ids=["v1", "v2", "v2 with fields"])
def test_client_and_server_of_the_header(origin, header):
    server = origin("--proxy-protocol", "auto")
    with server.connect() as client:
        client.send(header)
        for _ in range(2):
            seen = ask(client, [])
            assert (seen["client"], seen["server"]) == (["203.0.113.7", 4711], ["198.51.100.1", 443])


@both
def test_byte_by_byte_and_together_with_the_request(origin):
    server = origin("--proxy-protocol")
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    for header in (LINE, binary()):
        with server.connect() as client:
            for byte in header + request:
                client.send(bytes([byte]))
            assert json.loads(client.response().body)["client"] == ["203.0.113.7", 4711]
        with server.connect() as client:
            client.send(header + request)
            assert json.loads(client.response().body)["client"] == ["203.0.113.7", 4711]


@both
def test_on_a_unix_socket(origin):
    server = origin("--proxy-protocol", "v1", bind="unix:app.sock")
    with server.connect() as client:
        client.send(LINE)
        seen = ask(client, [])
        assert (seen["client"], seen["server"]) == (["203.0.113.7", 4711], ["198.51.100.1", 443])


@both
def test_local_and_unknown_are_the_proxys_own(origin):
    server = origin("--proxy-protocol", "auto")
    for header in (b"PROXY UNKNOWN\r\n", binary(command=0x20, family=0, body=b""), binary(family=0, body=b""), binary(family=0x31, body=bytes(216))):
        with server.connect() as client:
            client.send(header)
            assert ask(client, [])["client"][0] == "127.0.0.1"


@both
def test_who_is_behind_the_header_is_not_trusted_as_the_proxy_is(origin):
    """A proxy that passes bytes on passes on its client's header fields too."""
    server = origin("--proxy-protocol", "auto", "--forwarder-headers", "SCRIPT_NAME")
    fields = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "https"), ("SCRIPT_NAME", "/x")]
    for header in (*HEADERS, b"PROXY UNKNOWN\r\n"):
        with server.connect() as client:
            client.send(header)
            seen = ask(client, fields)
            assert seen["client"][0] in ("203.0.113.7", "127.0.0.1")
            assert (seen["scheme"], seen["root"], seen["underscores"]) == ("http", "", [])
    # A trusted proxy in front of that one.
    trusted = origin("--proxy-protocol", "auto", "--forwarded-allow-ips", "203.0.113.0/24")
    with trusted.connect() as client:
        client.send(LINE)
        seen = ask(client, fields)
        assert (seen["client"][0], seen["scheme"]) == ("6.6.6.6", "https")


@pytest.mark.parametrize(
    "sent",
    [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"PROXY TCP4 x\r\n", b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\n", b"PROXY " + b"x" * 200,
     binary(command=0x31), binary(command=0x22), binary(family=0x41), binary(body=b"short"), b"\x16\x03\x01\x02\x00"],
    ids=["none", "no address", "no crlf", "long", "version", "command", "family", "short", "tls"],
)
def test_without_a_valid_header_the_connection_is_closed_and_logged(origin_asgi, sent):
    server = origin_asgi("--proxy-protocol", "auto")
    with server.connect() as client:
        client.send(sent)
        assert client.ending() in ("closed", "reset")
    server.log.wait(r"connection closed: no valid PROXY header.*peer=\S*127\.0\.0\.1:\d+.* reason=")
    assert "Traceback" not in server.log.text()


def test_a_version_that_is_not_accepted(origin_asgi):
    for mode, header in (("v1", binary()), ("v2", LINE)):
        server = origin_asgi("--proxy-protocol", mode)
        with server.connect() as client:
            client.send(header)
            assert client.ending() in ("closed", "reset")


def test_a_header_that_does_not_come_to_its_end(origin_asgi):
    server = origin_asgi("--proxy-protocol", "auto", "--header-timeout", "1", "--first-byte-timeout", "2")
    with server.connect() as slow, server.connect() as silent, server.connect() as gone:
        slow.send(LINE[:20])
        gone.send(binary()[:20])
        gone.half_close()
        assert slow.ending() == "closed"
        assert gone.ending() == "closed"
        # As a balancer does that only looks whether the port is open: nothing is logged.
        assert silent.ending() == "closed"
    assert len(server.log.find("no valid PROXY header")) == 2


def test_a_proxy_may_connect_before_there_is_a_request(origin_asgi):
    """The time for the request's head begins with the request."""
    server = origin_asgi("--proxy-protocol", "auto", "--header-timeout", "1", "--first-byte-timeout", "10")
    with server.connect() as client:
        client.send(LINE)
        assert client.quiet(2.5)
        assert ask(client, [])["client"][0] == "203.0.113.7"


def test_peers_that_are_no_proxies_speak_http(origin_asgi):
    server = origin_asgi("--proxy-protocol", "auto", "--proxy-allow-from", "192.0.2.1")
    assert ask(server, [])["client"][0] == "127.0.0.1"
    with server.connect() as client:
        client.send(LINE + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.response().status == 400
    with server.connect() as client:
        client.send(binary() + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.response().status == 400

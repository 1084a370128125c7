"""An app that fails in the middle of its response: the client gets what was sent before, and sees that the rest is missing."""

import httpx
import pytest
from harness.client import Client
from harness.http2 import Http2Client, context
from harness.response import Cut
from harness.tls import TlsClient

pytestmark = [pytest.mark.both_artifacts, pytest.mark.both_loops]

both = pytest.mark.parametrize("spec", ["app:app", "app:application"])
counts = pytest.mark.parametrize("pieces", [1, 2, 50])


@pytest.fixture
def tls(serve, pair):
    return lambda spec: serve("http2.py", "--threads", "4", "--certfile", pair[0], "--keyfile", pair[1], spec=spec)


@pytest.fixture
def cleartext(serve):
    return lambda spec: serve("http2.py", "--threads", "4", "--http2", "prior-knowledge", spec=spec)


def check(client, pieces, streams):
    """Streams of requests that the server reads at once: their responses are written in one turn of the app's loop."""
    begun = [client.prepare(f"/cut?pieces={pieces}") for _ in range(streams)]
    client.flush()
    for stream in begun:
        client.finish(stream)
        assert (stream.headers is not None, bytes(stream.body), stream.ended, stream.reset) == (True, b"half" * pieces, False, 2)
    assert client.get("/").body == b"hello"
    assert client.goaways == []


@both
@counts
@pytest.mark.parametrize("streams", [1, 2, 20])
def test_over_http2(cleartext, spec, pieces, streams):
    server = cleartext(spec)
    with Http2Client.cleartext(server.port) as client:
        check(client, pieces, streams)


@both
def test_over_http2_with_tls(tls, authority, spec):
    server = tls(spec)
    with Http2Client.tls(server.port, authority) as client:
        check(client, 2, 20)
    with httpx.Client(http2=True, verify=context(authority)) as client:
        with client.stream("GET", f"https://localhost:{server.port}/cut") as response:
            assert (response.http_version, response.status_code) == ("HTTP/2", 200)
            received = b""
            with pytest.raises(httpx.RemoteProtocolError):
                for piece in response.iter_raw():
                    received += piece
        assert received == b"half"


@both
def test_over_http2_what_the_window_had_no_room_for_follows(cleartext, spec):
    server = cleartext(spec)
    with Http2Client.cleartext(server.port, opens_windows=False) as client:
        stream = client.begin("/cut?pieces=20000")
        client.until(lambda: len(stream.body) == 65_535)
        client.connection.increment_flow_control_window(20_000_000)
        client.connection.increment_flow_control_window(20_000_000, stream.number)
        client.flush()
        client.finish(stream)
        assert (len(stream.body), stream.ended, stream.reset) == (80_000, False, 2)


@both
def test_over_http2_a_client_that_resets_it_first_is_content(cleartext, spec):
    server = cleartext(spec)
    with Http2Client.cleartext(server.port) as client:
        for _ in range(20):
            stream = client.prepare("/cut?pieces=2")
            client.reset(stream)
        assert client.get("/").body == b"hello"
        assert client.goaways == []


def cut_of(client, pieces):
    client.request(target=f"/cut?pieces={pieces}")
    head = client.head()
    assert head.status == 200
    received = b""
    with pytest.raises(Cut):
        while True:
            received += client.chunk()
    return received


@both
@counts
def test_over_http1(serve, spec, pieces):
    server = serve("http2.py", spec=spec)
    with Client.tcp("127.0.0.1", server.port) as client:
        assert cut_of(client, pieces) == b"half" * pieces
    with Client.tcp("127.0.0.1", server.port) as client:
        client.request(target=f"/cut?pieces={pieces}", version="1.0")
        # An end without a reset would look like the end of the response. The kernel drops with it what it has not sent.
        received = b""
        with pytest.raises(ConnectionResetError):
            while piece := client.socket.recv(65536):
                received += piece
        head, _, body = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ") and (b"half" * pieces).startswith(body)


@both
@counts
def test_over_tls(tls, authority, spec, pieces):
    server = tls(spec)
    with TlsClient.connect(server.port, authority.context()) as client:
        assert cut_of(client, pieces) == b"half" * pieces

"""HTTP/2: what clients and apps see of it."""

import json
import os
import subprocess

import httpx
import pytest
from harness.client import Client
from harness.http2 import DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, WINDOW_UPDATE, Http2Client, RawHttp2, context, frame, request_block
from harness.tls import TlsClient
from harness.waiting import eventually

pytestmark = [pytest.mark.both_artifacts, pytest.mark.both_loops]

both = pytest.mark.parametrize("spec", ["app:app", "app:application"])


@pytest.fixture
def tls(serve, pair):
    return lambda *options, **keywords: serve("http2.py", "--certfile", pair[0], "--keyfile", pair[1], *options, **keywords)


@pytest.fixture
def cleartext(serve):
    return lambda *options, **keywords: serve("http2.py", "--http2", "prior-knowledge", *options, **keywords)


@both
def test_tls_agrees_on_it(tls, authority, spec):
    server = tls("--access-logfile", "-", spec=spec)
    with httpx.Client(http2=True, verify=context(authority)) as client:
        response = client.get(f"https://localhost:{server.port}/scope", headers={"cookie": "a=1"})
        assert response.http_version == "HTTP/2"
        seen = response.json()
        if spec == "app:app":
            assert (seen["http_version"], seen["scheme"], seen["path"]) == ("2", "https", "/scope")
            assert ["host", f"localhost:{server.port}"] in seen["headers"]
        else:
            assert (seen["SERVER_PROTOCOL"], seen["wsgi.url_scheme"], seen["HTTP_HOST"]) == ("HTTP/2.0", "https", f"localhost:{server.port}")
    server.log.wait(r'"GET /scope HTTP/2\.0" 200')


def test_a_client_that_wants_the_older_one_gets_it(tls, authority):
    server = tls()
    for protocols in (["http/1.1"], None):
        wanted = authority.context()
        if protocols:
            wanted.set_alpn_protocols(protocols)
        with TlsClient.connect(server.port, wanted) as client:
            assert json.loads(client.get("/scope").body)["http_version"] == "1.1"


@pytest.mark.parametrize("options", [["--http2", "off"], ["--http-protocols", "h1"], ["--http2", "off", "--http-protocols", "h2,h1"]])
def test_it_can_be_off(tls, authority, options):
    server = tls(*options)
    with TlsClient.connect(server.port, context(authority)) as client:
        assert client.socket.selected_alpn_protocol() == "http/1.1"
        assert json.loads(client.get("/scope").body)["http_version"] == "1.1"


@pytest.mark.parametrize("options", [["--http2", "prior-knowledge"], ["--http2-cleartext", "prior-knowledge"]])
def test_by_prior_knowledge_without_tls(serve, options):
    server = serve("http2.py", *options)
    with Http2Client.cleartext(server.port) as client:
        assert json.loads(client.get("/scope").body)["http_version"] == "2"
    assert json.loads(server.get("/scope").body)["http_version"] == "1.1"
    with Client.tcp("127.0.0.1", server.port) as slow:
        # Its first byte is that of the preface.
        slow.socket.sendall(b"P")
        slow.socket.sendall(b"OST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        assert slow.response().body == b"hi"


def test_without_prior_knowledge_the_preface_is_no_request(serve):
    server = serve("http2.py")
    with Client.tcp("127.0.0.1", server.port) as client:
        client.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert client.response().status in (400, 505)


def test_curl_speaks_it(tls, cleartext, authority):
    for server, words in ((tls(), ["--http2", "--cacert", authority.file]), (cleartext(), ["--http2-prior-knowledge"])):
        scheme = "https" if "--http2" in words else "http"
        command = ["curl", "--silent", "--show-error", *map(str, words), "--write-out", "%{http_version}", f"{scheme}://localhost:{server.port}/"]
        assert subprocess.run(command, check=True, capture_output=True, timeout=30, text=True).stdout == "hello2"


@both
def test_bodies_of_any_size_in_both_directions(cleartext, spec):
    server = cleartext(spec=spec)
    with Http2Client.cleartext(server.port) as client:
        for size in (0, 1, 16_384, 16_385, 3_000_000):
            upload = os.urandom(size)
            assert client.post("/echo", upload).body == upload
            announced = client.post("/echo", upload, headers=[("content-length", str(size))])
            assert (announced.body, announced.fields["content-length"]) == (upload, str(size))
        size = 5 * 1024 * 1024
        assert client.get(f"/large?size={size}").body == bytes(range(256)) * (size // 256)
        assert client.get("/pieces?count=100").body == b"x" * 1_000_000
        with open(f"{server.directory}/app.py", "rb") as file:
            assert client.get("/file").body == file.read()


@both
def test_streams_are_served_side_by_side(cleartext, app, spec):
    server = cleartext("--threads", "4", spec=spec)
    with Http2Client.cleartext(server.port) as client:
        waiting = [client.begin("/wait") for _ in range(3)]
        server.log.wait("request waits", count=3)
        assert client.get("/").body == b"hello"
        assert not any(stream.is_over for stream in waiting)
        (app.path / "open").touch()
        assert [client.finish(stream).body for stream in waiting] == [b"waited"] * 3


@both
def test_answers_without_content(cleartext, spec):
    server = cleartext(spec=spec)
    with Http2Client.cleartext(server.port) as client:
        for code in (204, 304, 205):
            stream = client.get(f"/status?code={code}")
            assert (stream.status, stream.body, stream.reset) == (code, b"", None)
        stream = client.get("/large?size=1024", method="HEAD")
        assert (stream.status, stream.body, stream.fields["content-length"]) == (200, b"", "1024")
        assert not {"connection", "transfer-encoding", "keep-alive"} & set(stream.fields)


def test_cookies_are_joined_and_the_authority_is_the_host(cleartext):
    server = cleartext()
    with Http2Client.cleartext(server.port) as client:
        stream = client.get("/scope", authority="example.org:81", headers=[("cookie", "a=1"), ("x-a", "b"), ("cookie", "c=2")])
        headers = json.loads(stream.body)["headers"]
        assert headers == [["host", "example.org:81"], ["x-a", "b"], ["cookie", "a=1; c=2"]]
        assert client.get("/scope", authority=None, headers=[("host", "example.org")]).status == 200
        for wrong in ({"authority": None}, {"headers": [("host", "other")]}, {"authority": "user@localhost"}, {"path": "a"}):
            stream = client.get(**{"path": "/scope", **wrong})
            assert stream.reset == 1 or stream.status == 400, wrong


def test_another_spelling_of_the_authority_is_no_second_host(cleartext):
    server = cleartext()
    with Http2Client.cleartext(server.port) as client:
        for host in ("localhost", "LOCALHOST", "localhost:80"):
            stream = client.get("/scope", headers=[("host", host)])
            assert stream.status == 200, host
            assert json.loads(stream.body)["headers"] == [["host", "localhost"]]
        assert client.get("/scope", headers=[("host", "localhost:443")]).status == 400


@pytest.mark.parametrize("field", [("transfer-encoding", "chunked"), ("connection", "close"), ("upgrade", "h2c"), ("x\r\ny", "z"), ("x-a", "b\r\nc: d"), ("X-Upper", "a")])
def test_no_field_can_become_another_one(cleartext, field):
    server = cleartext()
    with Http2Client.cleartext(server.port) as client:
        stream = client.begin("/scope", headers=[field])
        client.until(lambda: stream.is_over or client.goaways)
        assert stream.headers is None
        assert server.get("/").body == b"hello"


def test_trailers_follow_for_a_client_that_takes_them(cleartext):
    server = cleartext()
    with Http2Client.cleartext(server.port) as client:
        stream = client.get("/trailers", headers=[("te", "trailers")])
        assert (stream.body, stream.trailers) == (b"body", {"x-sum": "1"})
        stream = client.get("/trailers")
        assert (stream.body, stream.trailers) == (b"body", None)
        upload = client.begin("/echo", method="POST", end=False)
        client.connection.send_data(upload.number, b"with trailers")
        client.connection.send_headers(upload.number, [("x-sum", "2")], end_stream=True)
        client.flush()
        assert client.finish(upload).body == b"with trailers"


def test_interim_answers(cleartext):
    server = cleartext()
    with Http2Client.cleartext(server.port) as client:
        stream = client.get("/hint")
        assert (stream.interim, stream.body) == ([{":status": "103", "link": "</a.css>; rel=preload"}], b"hinted")
        stream = client.begin("/echo", method="POST", end=False, headers=[("expect", "100-continue")])
        client.until(lambda: stream.interim)
        client.send(stream, b"continued", end=True)
        assert (client.finish(stream).body, stream.interim) == (b"continued", [{":status": "100"}])
        assert client.get("/", headers=[("expect", "miracles")]).status == 417


def test_an_app_that_streams_waits_for_the_clients_window(cleartext):
    server = cleartext()
    with Http2Client.cleartext(server.port, opens_windows=False) as client, Http2Client.cleartext(server.port) as other:
        stream = client.begin("/pieces?count=1000")
        client.until(lambda: len(stream.body) == 65_535)

        def sent():
            return int(other.get("/sent").body)

        eventually(lambda: (before := sent()) and sent() == before, "the app waits")
        assert sent() < 100
        # Room for the rest of it.
        client.connection.increment_flow_control_window(20_000_000)
        client.connection.increment_flow_control_window(20_000_000, stream.number)
        client.flush()
        assert len(client.finish(stream).body) == 10_000_000


def test_a_client_that_uploads_waits_for_the_app(cleartext, app):
    server = cleartext()
    with Http2Client.cleartext(server.port) as client:
        stream = client.begin("/slow-reader", method="POST", end=False)
        body = b"x" * 1_000_000
        sent = client.send(stream, body)
        assert 65_535 <= sent < 300_000
        (app.path / "open").touch()
        client.send(stream, body[sent:], end=True)
        assert client.finish(stream).body == b"1000000"


def test_an_app_that_does_not_read_answers_all_the_same(cleartext):
    server = cleartext()
    with Http2Client.cleartext(server.port) as client:
        stream = client.begin("/unread", method="POST", end=False)
        client.send(stream, b"x" * 1_000)
        client.until(lambda: stream.ended)
        assert stream.body == b"not read"
        # It gets a reset with NO_ERROR.
        client.until(lambda: stream.reset is not None)
        assert stream.reset == 0
        assert client.get("/").body == b"hello"


@both
def test_failures_cost_their_stream_alone(cleartext, spec):
    server = cleartext(spec=spec)
    with Http2Client.cleartext(server.port) as client:
        assert client.get("/fail").status == 500
        stream = client.get("/cut")
        assert (stream.body, stream.ended, stream.reset) == (b"half", False, 2)
        assert client.get("/").body == b"hello"


def test_a_client_that_resets_a_stream_has_left(cleartext):
    server = cleartext()
    with Http2Client.cleartext(server.port) as client:
        stream = client.begin("/wait")
        server.log.wait("request waits")
        client.reset(stream)
        server.log.wait("client has left")
        assert client.get("/").body == b"hello"
        client.begin("/wait")
        server.log.wait("request waits", count=2)
    server.log.wait("client has left", count=2)


def test_limits_hold_as_for_other_requests(cleartext):
    server = cleartext("--limit-request-body", "1000", "--limit-request-line", "100", "--limit-request-fields", "5", "--limit-request-field-size", "200")
    with Http2Client.cleartext(server.port) as client:
        assert client.post("/echo", b"x" * 1000).status == 200
        assert client.post("/echo", b"x" * 1001).status == 413
        stream = client.begin("/echo", method="POST", end=False, headers=[("content-length", "1001")])
        assert client.finish(stream).status == 413
        assert client.get("/" + "a" * 100).status == 414
        assert client.get("/", headers=[(f"x-{n}", "1") for n in range(6)]).status == 431
        assert client.get("/", headers=[("x-a", "b" * 200)]).status == 431
        assert client.get("/").status == 200


def test_a_body_that_stalls_is_given_up(cleartext):
    server = cleartext("--body-timeout", "1")
    with Http2Client.cleartext(server.port) as client:
        stream = client.begin("/echo", method="POST", end=False)
        client.send(stream, b"x")
        assert client.finish(stream).status == 408
        assert client.get("/").body == b"hello"


def test_a_length_that_is_not_kept_is_an_error(cleartext):
    server = cleartext()
    with Http2Client.cleartext(server.port) as client:
        stream = client.begin("/echo", method="POST", end=False, headers=[("content-length", "10")])
        client.connection.send_data(stream.number, b"short", end_stream=True)
        client.flush()
        assert client.finish(stream).headers is None
        assert stream.reset == 1
        assert client.get("/").body == b"hello"


def test_files_without_the_app(cleartext, app):
    (app.path / "files").mkdir()
    content = os.urandom(700_000)
    (app.path / "files" / "large.bin").write_bytes(content)
    (app.path / "files" / "small.txt").write_text("small")
    server = cleartext("--static", "/static=files")
    with Http2Client.cleartext(server.port) as client:
        assert client.get("/static/large.bin").body == content
        stream = client.get("/static/large.bin", headers=[("range", "bytes=1000-299999")])
        assert (stream.status, stream.body) == (206, content[1000:300_000])
        assert client.get("/static/small.txt").body == b"small"
        stream = client.get("/static/large.bin", method="HEAD")
        assert (stream.body, stream.fields["content-length"]) == (b"", "700000")
        assert client.get("/static/absent").status in (200, 404)


def test_an_idle_connection_is_closed(cleartext):
    server = cleartext("--keep-alive", "1")
    with Http2Client.cleartext(server.port) as client:
        assert client.get("/").body == b"hello"
        client.until_closed()
        assert client.goaways[-1] == (1, 0)


@pytest.mark.parametrize("first", [b"PRI * HTTP/2.0\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"])
def test_a_connection_that_brings_no_request_is_closed(cleartext, first):
    server = cleartext("--first-byte-timeout", "1", "--header-timeout", "1")
    with Client.tcp("127.0.0.1", server.port) as client:
        client.socket.sendall(first)
        while client.socket.recv(65536):
            pass


@both
def test_a_response_with_more_fields_than_a_stream_can_have_is_an_error_of_the_app(cleartext, spec):
    server = cleartext(spec=spec)
    with Http2Client.cleartext(server.port) as client:
        assert client.get("/fields?count=30000").status == 500
        server.log.wait("too many header fields for HTTP/2")
        assert client.get("/").body == b"hello"
    assert server.get("/").body == b"hello"
    server.terminate()
    assert server.wait_exit() == 0


@both
@pytest.mark.parametrize("http2", [True, False])
def test_a_panic_of_the_server_costs_its_request(cleartext, spec, http2):
    server = cleartext(spec=spec)
    with Http2Client.cleartext(server.port) as client:
        # Its class exists from the first exception on.
        assert client.get("/fail").status == 500
        assert (client if http2 else server).get("/panic").status == 500
        server.log.wait("internal error: as asked")
        assert client.get("/").body == b"hello"
    server.terminate()
    assert server.wait_exit() == 0


@pytest.mark.parametrize("http2", [True, False])
def test_a_message_after_the_response_is_an_error_of_the_app(cleartext, http2):
    server = cleartext()
    with Http2Client.cleartext(server.port) as client:
        assert (client if http2 else server).get("/twice").body == b"once"
        server.log.wait("response already complete")


def test_a_value_with_spaces_around_it_is_malformed(cleartext):
    server = cleartext()
    with Http2Client.cleartext(server.port) as client:
        for value in (" a", "a ", "\ta", "a\t"):
            assert client.get("/scope", headers=[("x-a", value)]).reset == 1
        assert json.loads(client.get("/scope", headers=[("x-a", "a \tb")]).body)["headers"][1] == ["x-a", "a \tb"]


def ends(client, count):
    """Waits for the ends of so many responses."""
    for _, flags, _, _ in (found for found in client.frames() if found[0] in (DATA, HEADERS)):
        count -= flags & END_STREAM
        if count == 0:
            return True
    return False


def test_a_client_that_answers_each_response_with_frames_is_no_flood(cleartext):
    server = cleartext()
    code, window = b"\0\0\0\x05", b"\0\0\0\x05"
    with RawHttp2(server.port) as client:
        for batch in range(100):
            streams = [2 * n + 1 for n in range(50 * batch, 50 * batch + 50)]
            client.send(*(frame(HEADERS, END_HEADERS, n, request_block()) + frame(DATA, END_STREAM, n) for n in streams))
            assert ends(client, 50), batch
            client.send(*(frame(WINDOW_UPDATE, payload=window) + frame(RST_STREAM, stream=n, payload=code) for n in streams))
    assert not server.log.find("ENHANCE_YOUR_CALM")


def test_small_pieces_wait_for_the_app(cleartext, app):
    server = cleartext()
    with RawHttp2(server.port) as client:
        client.send(frame(HEADERS, END_HEADERS, 1, request_block(b"POST", b"/slow-reader")))
        # All that the client's window allows.
        client.send(frame(DATA, stream=1, payload=b"12345") * 13_107)
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, request_block()))
        assert ends(client, 1)
        (app.path / "open").touch()
        client.send(frame(DATA, END_STREAM, 1))
        body = next((payload for kind, _, stream, payload in client.frames() if (kind, stream) == (DATA, 1)), None)
        assert body == b"65535"

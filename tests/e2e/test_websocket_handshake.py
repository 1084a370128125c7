"""The opening handshake: its scope, the app's possible replies, and requests that are rejected before they reach it (RFC 6455 §4)."""

import json

import pytest

from harness.websocket import KEY, TEXT, WebSocket, connect, frame, handshake, refused

pytestmark = [pytest.mark.both_loops]


def scope(server, path="/scope", headers=(), **options):
    with connect(server, path, headers, **options) as socket:
        return json.loads(socket.message())["scope"]


def test_asgi_100_the_scope(sockets):
    found = scope(sockets, "/scope?a=%20b", [("X-Custom", "1"), ("x-custom", "2")], host="example.org")
    assert found["type"] == "websocket"
    assert found["asgi"] == {"version": "3.0", "spec_version": "2.5"}
    assert found["http_version"] == "1.1"
    assert found["scheme"] == "ws"
    assert (found["path"], found["raw_path"], found["query_string"]) == ("/scope", {"bytes": "/scope"}, {"bytes": "a=%20b"})
    assert found["root_path"] == ""
    assert found["subprotocols"] == []
    host, port = found["client"]["tuple"]
    assert host == "127.0.0.1" and isinstance(port, int)
    assert found["server"]["tuple"] == ["127.0.0.1", sockets.port]
    headers = [(name["bytes"], value["bytes"]) for name, value in (pair["tuple"] for pair in found["headers"])]
    assert ("host", "example.org") in headers and ("sec-websocket-key", KEY) in headers
    assert [value for name, value in headers if name == "x-custom"] == ["1", "2"]
    assert "method" not in found
    assert found["extensions"] == {"websocket.http.response": {}}


def test_asgi_100_subprotocols_of_several_fields(sockets):
    found = scope(sockets, headers=[("Sec-WebSocket-Protocol", "chat, v2.chat ,"), ("Sec-WebSocket-Protocol", "third")])
    assert found["subprotocols"] == ["chat", "v2.chat", "third"]


def test_asgi_100_wss_behind_a_trusted_proxy(sockets):
    found = scope(sockets, headers=[("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "203.0.113.9")])
    assert found["scheme"] == "wss" and found["client"]["tuple"][0] == "203.0.113.9"


def test_asgi_100_state_is_a_copy(sockets):
    for _ in range(2):
        with connect(sockets, "/state") as socket:
            assert json.loads(socket.message()) == {"lifespan": True, "keys": ["lifespan", "mine"]}


def test_asgi_101_the_handshake_waits_for_the_app(serve, app):
    server = serve("sockets.py")
    with server.connect() as client:
        client.send(handshake("/waits-before-accept"))
        server.log.wait('first {"type": "websocket.connect"}')
        assert client.quiet(0.3), "an answer before the app accepted"
        (app.path / "open").touch()
        assert client.head().status == 101


def test_asgi_101_frames_may_follow_the_handshake_at_once(sockets):
    with sockets.connect() as client:
        client.send(handshake("/echo") + frame(TEXT, b"early"))
        assert client.head().status == 101
        assert client.read(7) == b"\x81\x05early"


def test_asgi_101_a_client_that_leaves_before_the_answer(serve):
    server = serve("sockets.py")
    with server.connect() as client:
        client.send(handshake("/leaves-before-accept"))
        server.log.wait("connecting")
    server.log.wait('second {"type": "websocket.disconnect", "code": 1006, "reason": ""}', timeout=2)
    server.log.wait("accept: OSError ClientDisconnected")


def test_asgi_102_headers_in_order(sockets):
    with connect(sockets, "/accept-with") as socket:
        names = ("x-one", "set-cookie", "x-two")
        found = [(name.lower(), value) for name, value in socket.response.headers if name.lower() in names]
        assert found == [("x-one", "1"), ("set-cookie", "a=1"), ("x-two", "2"), ("set-cookie", "b=2")]
        assert socket.response.header("sec-websocket-protocol") is None


def test_asgi_102_an_offered_subprotocol(sockets):
    with connect(sockets, "/subprotocol?name=v2", [("Sec-WebSocket-Protocol", "v1, v2")]) as socket:
        assert socket.response.header("sec-websocket-protocol") == "v2"


def test_asgi_102_a_subprotocol_that_was_not_offered_is_an_error(serve):
    server = serve("sockets.py")
    assert refused(server, "/subprotocol?name=v3", [("Sec-WebSocket-Protocol", "v1, v2")]).status == 403
    server.log.wait('subprotocol: ValueError: subprotocol "v3" was not offered')


def test_asgi_102_the_protocol_header_is_an_error(serve):
    server = serve("sockets.py")
    with connect(server, "/forbidden-header", [("Sec-WebSocket-Protocol", "chat")]) as socket:
        assert socket.response.header("sec-websocket-protocol") is None
    server.log.wait("header: ValueError: websocket.accept must not have the header")


def test_asgi_103_close_before_accept_is_403(serve):
    server = serve("sockets.py")
    response = refused(server, "/reject")
    assert (response.status, response.body) == (403, b"")
    assert response.header("sec-websocket-accept") is None and response.header("upgrade") is None
    server.log.wait('after the rejection: {"type": "websocket.disconnect", "code": 1006')
    server.log.wait("accept after the rejection: (OSError|RuntimeError)")


def test_asgi_103_the_connection_serves_on_after_a_rejection(sockets):
    with sockets.connect() as client:
        for _ in range(2):
            client.send(handshake("/reject"))
            assert client.response().status == 403
        assert client.get("/http").status == 200
        client.send(handshake("/echo"))
        assert client.head().status == 101


@pytest.mark.parametrize("path", ["/return-before", "/raise-before"])
def test_asgi_104_an_end_before_accept_is_500(serve, path):
    server = serve("sockets.py")
    assert refused(server, path).status == 500
    if path == "/raise-before":
        server.log.wait("ValueError: raised before accept")
        assert "WEBSOCKET /raise-before" in server.log.text()


def test_asgi_150_an_answer_of_the_apps_own(serve):
    server = serve("sockets.py")
    response = refused(server, "/deny")
    assert (response.status, response.body) == (401, b"not you")
    assert response.header("www-authenticate") == "Basic" and response.header("x-one") == "1"
    assert response.header("upgrade") is None and response.header("sec-websocket-accept") is None
    server.log.wait("accept after the answer: (OSError|RuntimeError)")
    server.log.wait('after the answer: {"type": "websocket.disconnect"')


def test_asgi_150_half_an_answer_is_cut(sockets):
    client = sockets.connect()
    with client:
        client.send(handshake("/deny-half"))
        assert client.head().status == 401
        assert client.chunk() == b"half"
        assert client.rest() == b"", "no last chunk"


def test_asgi_150_no_answer_after_accept(serve):
    server = serve("sockets.py")
    with connect(server, "/late-answer") as socket:
        socket.expect_close(1000)
    server.log.wait("answer after accept: (RuntimeError|OSError)")


# Handshakes that never reach the app.


@pytest.mark.parametrize(
    "key",
    [None, "", "short", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZTE=", "dGhlIHNhbXBsZSBub25!ZQ=="],
)
def test_a_wrong_key_is_400(sockets, key):
    assert refused(sockets, "/echo", key=key).status == 400


def test_two_keys_are_400(sockets):
    assert refused(sockets, "/echo", [("Sec-WebSocket-Key", KEY)]).status == 400


@pytest.mark.parametrize("version", [None, "8", "14", "13, 8", ""])
def test_another_version_is_426(sockets, version):
    response = refused(sockets, "/echo", version=version)
    assert response.status == 426
    assert response.header("sec-websocket-version") == "13"
    assert response.header("upgrade") == "websocket"
    assert "upgrade" in response.header("connection").lower()


@pytest.mark.parametrize("method, http", [("POST", "1.1"), ("GET", "1.0"), ("HEAD", "1.1")])
def test_what_is_no_handshake_is_an_ordinary_request(sockets, method, http):
    with sockets.connect() as client:
        client.send(handshake("/http", method=method, http=http))
        response = client.response(method)
        assert response.status == 200
        if method != "HEAD":
            assert json.loads(response.body)["type"] == "http"


def test_without_connection_upgrade_it_is_an_ordinary_request(sockets):
    with sockets.connect() as client:
        client.send(handshake("/http").replace(b"Connection: Upgrade", b"Connection: keep-alive"))
        assert json.loads(client.response().body)["type"] == "http"


def test_names_are_compared_without_case_and_connection_is_a_list(sockets):
    with sockets.connect() as client:
        request = handshake("/echo").replace(b"Upgrade: websocket", b"uPGRADE: WebSocket")
        client.send(request.replace(b"Connection: Upgrade", b"connection: keep-alive, upgrade"))
        assert client.head().status == 101


def test_ws_off_serves_an_ordinary_request(serve):
    server = serve("sockets.py", "--ws", "off")
    response = refused(server, "/http")
    assert response.status == 200 and json.loads(response.body)["type"] == "http"


def test_a_pipelined_handshake(sockets):
    with sockets.connect() as client:
        client.send(b"GET /http HTTP/1.1\r\nHost: a\r\n\r\n" + handshake("/echo") + frame(TEXT, b"x"))
        assert client.response().status == 200
        assert client.head().status == 101
        assert client.read(3) == b"\x81\x01x"


def test_over_a_unix_socket(serve, app):
    app.copy("sockets.py")
    server = serve(bind="unix:socket")
    socket = WebSocket(server.connect(), "/scope")
    with socket:
        found = json.loads(socket.message())["scope"]
    assert found["client"] is None and found["server"]["tuple"][1] is None


def test_a_handshake_that_the_app_leaves_waiting_counts_as_a_request_that_takes_too_long(serve, app):
    server = serve("sockets.py", "--request-timeout", "1")
    assert refused(server, "/waits-before-accept").status == 504
    with connect(server, "/echo") as socket:
        assert socket.client.quiet(1.5), "an accepted WebSocket has all the time of the world"
        socket.text("x")
        assert socket.message() == "x"

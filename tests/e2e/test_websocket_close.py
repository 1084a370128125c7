"""The ways in which a WebSocket ends, and the close codes that each side gets (RFC 6455 §7)."""

import pytest

from harness.waiting import eventually
from harness.websocket import CLOSE, TEXT, close_payload, connect, frame

pytestmark = [pytest.mark.both_loops]


def disconnect(server, code, reason=""):
    server.log.wait(rf'disconnect {{"type": "websocket.disconnect", "code": {code}, "reason": "{reason}"}}', timeout=3)


@pytest.mark.parametrize(
    "query, code, reason",
    [("", 1000, ""), ("code=1000", 1000, ""), ("code=3000&reason=done", 3000, "done"), ("code=4999&reason=" + "r" * 123, 4999, "r" * 123), ("reason=%C3%A9", 1000, "é")],
)
def test_asgi_107_the_app_closes(serve, query, code, reason):
    server = serve("sockets.py")
    with connect(server, f"/close?{query}") as socket:
        found = socket.expect_close(code)
        assert found.reason == reason
    server.log.wait("close: sent")


def test_asgi_110_send_after_close_raises_oserror(serve):
    server = serve("sockets.py")
    with connect(server, "/close") as socket:
        socket.expect_close(1000)
    server.log.wait("send after close: OSError ClientDisconnected")
    server.log.wait("close after close: OSError ClientDisconnected")
    disconnect(server, 1000)


@pytest.mark.parametrize("code, reason", [(1000, ""), (1001, "away"), (1011, "x"), (1012, ""), (1013, ""), (1014, ""), (3000, ""), (3999, "é"), (4000, "r" * 123), (4999, "")])
def test_asgi_108_the_clients_code_and_109_its_reason(serve, code, reason):
    server = serve("sockets.py")
    with connect(server, "/echo") as socket:
        socket.close(code, reason)
        assert socket.frame().code == code
        socket.ends()
    disconnect(server, code, reason.replace("é", r"\\u00e9"))


def test_asgi_108_no_code_is_1005(serve):
    server = serve("sockets.py")
    with connect(server, "/echo") as socket:
        socket.close()
        assert socket.frame().payload == b""
        socket.ends()
    disconnect(server, 1005)


@pytest.mark.parametrize("leave", ["close", "reset", "half_close"])
def test_asgi_108_a_lost_connection_is_1006(serve, leave):
    server = serve("sockets.py")
    with connect(server, "/echo") as socket:
        socket.text("x")
        assert socket.message() == "x"
        getattr(socket.client, leave)()
        disconnect(server, 1006)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_codes_that_nobody_may_send_are_1002(sockets, code):
    with connect(sockets, "/echo") as socket:
        socket.send(CLOSE, close_payload(code))
        socket.expect_close(1002, answer=False)


def test_a_reason_that_is_not_utf8_is_1007(sockets):
    with connect(sockets, "/echo") as socket:
        socket.send(CLOSE, close_payload(1000) + b"\xce\xba\xe1")
        socket.expect_close(1007, answer=False)


def test_asgi_111_the_app_returns(sockets):
    with connect(sockets, "/return-after") as socket:
        socket.expect_close(1000)


def test_asgi_111_the_app_raises(serve):
    server = serve("sockets.py")
    with connect(server, "/raise-after") as socket:
        socket.expect_close(1011)
    server.log.wait("ValueError: raised after accept")


def test_nothing_after_the_clients_close_is_read(serve):
    server = serve("sockets.py")
    with connect(server, "/echo") as socket:
        socket.raw(frame(TEXT, b"before") + frame(CLOSE, close_payload(1000)) + frame(TEXT, b"after"))
        assert socket.message() == "before"
        assert socket.frame().code == 1000
        socket.ends()
    disconnect(server, 1000)


def test_messages_before_the_close_are_delivered(serve, app):
    server = serve("sockets.py")
    with connect(server, "/slow") as socket:
        for number in range(20):
            socket.text("12345")
        socket.close(1000)
        (app.path / "open").touch()
        server.log.wait(r"slow took 20 messages of 100 bytes, then .*1000")


def test_asgi_110_send_after_a_disconnect_raises_oserror(serve):
    server = serve("sockets.py")
    with connect(server, "/send-after-disconnect") as socket:
        socket.close(1001)
        assert socket.frame().code == 1001
    server.log.wait("send after disconnect: OSError ClientDisconnected")
    server.log.wait("close after disconnect: OSError ClientDisconnected")
    server.log.wait('again: {"type": "websocket.disconnect", "code": 1001')


def test_asgi_110_an_app_that_does_not_look_gets_the_oserror(serve, app):
    server = serve("sockets.py")
    with connect(server, "/ignores") as socket:
        socket.close(1000)
        assert socket.frame().code == 1000
        socket.ends()
    (app.path / "open").touch()
    server.log.wait("ignored: OSError ClientDisconnected")


def test_asgi_115_an_oserror_that_the_app_lets_out_is_not_logged(serve):
    server = serve("sockets.py")
    with connect(server, "/lets-oserror-out") as socket:
        server.log.wait("sending")
        socket.client.reset()
    with connect(server, "/echo") as socket:
        socket.text("x")
        assert socket.message() == "x"
    assert "Traceback" not in server.log.text() and "ERROR" not in server.log.text()


def test_a_client_that_never_answers_the_close_is_left(serve):
    server = serve("sockets.py")
    with connect(server, "/return-after", timeout=12.0) as socket:
        assert socket.frame().code == 1000
        for _ in range(3):
            socket.text("still talking")
        socket.ends()


def test_the_end_is_in_the_access_log(serve):
    server = serve("sockets.py", "--access-logfile", "-")
    with connect(server, "/echo?logged") as socket:
        socket.text("12345")
        assert socket.message() == "12345"
        assert "logged" not in server.log.text()
        socket.close(1000)
        assert socket.frame().code == 1000
    server.log.wait(r'"GET /echo\?logged HTTP/1.1" 101 5 ')
    eventually(lambda: len(server.log.find(r"logged")) == 1, "one line")

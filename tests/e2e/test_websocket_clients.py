"""Real clients and frameworks: websockets and wsproto from outside, Starlette, FastAPI and Channels inside."""

import asyncio
import socket

import pytest

from harness.websocket import connect, refused

websockets = pytest.importorskip("websockets")
pytestmark = [pytest.mark.both_loops]

MESSAGES = ["", "hello", b"", b"\x00\xff", "é" * 1000, "x" * 200_000, b"y" * 1_000_000]


def url(server, path):
    return f"ws://127.0.0.1:{server.port}{path}"


@pytest.mark.parametrize("compression", ["deflate", None])
def test_websockets(sockets, compression):
    async def talk():
        async with websockets.connect(url(sockets, "/echo"), compression=compression) as client:
            for message in MESSAGES:
                await client.send(message)
                assert await client.recv() == message
            await (await client.ping())
            await client.close(4000, "done")
            assert (client.close_code, client.close_reason) == (4000, "")

    asyncio.run(asyncio.wait_for(talk(), 20))


def test_websockets_fifty_at_once(sockets):
    async def one(number):
        async with websockets.connect(url(sockets, "/echo")) as client:
            for turn in range(20):
                text = f"{number} says {turn} " * (turn * 20 + 1)
                await client.send(text)
                assert await client.recv() == text

    async def all_of_them():
        await asyncio.gather(*(one(number) for number in range(50)))

    asyncio.run(asyncio.wait_for(all_of_them(), 30))


def test_websockets_hears_of_a_reload(serve):
    server = serve("sockets.py", "--keepalive-drain", "0.5")

    async def talk():
        async with websockets.connect(url(server, "/echo")) as client:
            await client.send("x")
            assert await client.recv() == "x"
            await asyncio.get_running_loop().run_in_executor(None, server.reload)
            with pytest.raises(websockets.ConnectionClosed):
                await client.recv()
            assert client.close_code == 1012

    asyncio.run(asyncio.wait_for(talk(), 30))


def test_wsproto(sockets):
    wsproto = pytest.importorskip("wsproto")
    from wsproto import events
    from wsproto.extensions import PerMessageDeflate

    ws = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
    with socket.create_connection(("127.0.0.1", sockets.port), timeout=10) as sock:

        def receive():
            while True:
                for event in ws.events():
                    return event
                ws.receive_data(sock.recv(65536) or None)

        sock.sendall(ws.send(events.Request(host="localhost", target="/echo", extensions=[PerMessageDeflate()])))
        accepted = receive()
        assert isinstance(accepted, events.AcceptConnection) and accepted.extensions
        for text in ("hello", "x" * 1000, "é" * 5000):
            sock.sendall(ws.send(events.TextMessage(data=text)))
            found = ""
            while True:
                event = receive()
                found += event.data
                if event.message_finished:
                    break
            assert found == text
        sock.sendall(ws.send(events.CloseConnection(code=1000)))
        assert receive().code == 1000


STARLETTE = """
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketDisconnect

async def echo(websocket):
    await websocket.accept(subprotocol=websocket.scope["subprotocols"][0] if websocket.scope["subprotocols"] else None)
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnect as error:
        print("disconnected", error.code, repr(error.reason), flush=True)

async def json(websocket):
    await websocket.accept()
    await websocket.send_json(await websocket.receive_json())
    await websocket.close(3001, "enough")

async def deny(websocket):
    await websocket.send_denial_response(JSONResponse({"no": True}, status_code=418))

async def leaving(websocket):
    await websocket.accept()
    try:
        while True:
            await websocket.send_text("x" * 1000)
    except WebSocketDisconnect as error:
        print("left", error.code, flush=True)

async def raises(websocket):
    raise HTTPException(403)

class Endpoint(WebSocketEndpoint):
    encoding = "bytes"
    async def on_receive(self, websocket, data):
        await websocket.send_bytes(data)

app = Starlette(routes=[WebSocketRoute("/echo", echo), WebSocketRoute("/json", json), WebSocketRoute("/deny", deny),
                        WebSocketRoute("/leaving", leaving), WebSocketRoute("/endpoint", Endpoint), WebSocketRoute("/raises", raises)])
"""


def test_starlette(serve, app):
    pytest.importorskip("starlette")
    app.write(STARLETTE)
    server = serve()
    with connect(server, "/echo", [("Sec-WebSocket-Protocol", "a, b")]) as client:
        assert client.response.header("sec-websocket-protocol") == "a"
        client.text("héllo")
        assert client.message() == "héllo"
        client.close(3000, "bye")
        server.log.wait("disconnected 3000 'bye'")
    with connect(server, "/json") as client:
        client.text('{"a": [1, 2]}')
        assert client.message() == '{"a":[1,2]}'
        assert client.expect_close(3001).reason == "enough"
    with connect(server, "/endpoint") as client:
        client.binary(b"\x00\x01")
        assert client.message() == b"\x00\x01"
    response = refused(server, "/deny")
    assert (response.status, response.body) == (418, b'{"no":true}')
    with connect(server, "/leaving") as client:
        client.message()
        client.client.reset()
        server.log.wait("left 1006")
    assert refused(server, "/raises").status == 403
    assert refused(server, "/absent").status in (403, 404)
    assert "Traceback" not in server.log.text()


def test_fastapi(serve, app):
    pytest.importorskip("fastapi")
    app.write("""
from fastapi import Depends, FastAPI, WebSocket, WebSocketDisconnect, WebSocketException, Query
app = FastAPI()
rooms = []

async def token(token: str = Query(None)):
    if token != "good":
        raise WebSocketException(code=1008, reason="bad token")
    return token

@app.websocket("/rooms/{name}")
async def room(websocket: WebSocket, name: str, token: str = Depends(token)):
    await websocket.accept()
    rooms.append(websocket)
    try:
        async for text in websocket.iter_text():
            for other in rooms:
                await other.send_text(f"{name}: {text}")
    finally:
        rooms.remove(websocket)
""")
    server = serve()
    assert refused(server, "/rooms/a?token=bad").status == 403
    with connect(server, "/rooms/a?token=good") as one, connect(server, "/rooms/b?token=good") as two:
        one.text("hello")
        assert one.message() == two.message() == "a: hello"


def test_channels(serve, app):
    pytest.importorskip("channels")
    app.write("""
import os
from django.conf import settings
settings.configure(SECRET_KEY="x", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, INSTALLED_APPS=["channels"],
                   CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}})
from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse("http"))]
http = get_asgi_application()
from channels.generic.websocket import AsyncJsonWebsocketConsumer, WebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator

class Echo(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=text_data, bytes_data=bytes_data) if bytes_data is None else self.send(bytes_data=bytes_data)
    def disconnect(self, code):
        print("disconnected", code, flush=True)

class Chat(AsyncJsonWebsocketConsumer):
    async def connect(self):
        await self.channel_layer.group_add("chat", self.channel_name)
        await self.accept()
    async def receive_json(self, content):
        await self.channel_layer.group_send("chat", {"type": "say", "content": content})
    async def say(self, event):
        await self.send_json(event["content"])
    async def disconnect(self, code):
        await self.channel_layer.group_discard("chat", self.channel_name)

class Rejects(WebsocketConsumer):
    def connect(self):
        self.close()

application = ProtocolTypeRouter({"http": http, "websocket": AllowedHostsOriginValidator(URLRouter([
    path("echo", Echo.as_asgi()), path("chat", Chat.as_asgi()), path("rejects", Rejects.as_asgi())]))})
""")
    server = serve(spec="app:application")
    assert server.get("/").body == b"http"
    with connect(server, "/echo") as client:
        client.text("héllo")
        assert client.message() == "héllo"
        client.binary(b"\x01")
        assert client.message() == b"\x01"
        client.close(3000)
        server.log.wait("disconnected 3000")
    with connect(server, "/chat") as one, connect(server, "/chat") as two:
        one.text('{"a": 1}')
        assert one.message() == two.message() == '{"a": 1}'
    assert refused(server, "/rejects").status == 403


def test_an_anyio_task_group_receives_and_sends(serve, app):
    pytest.importorskip("anyio")
    app.write("""
import anyio
async def app(scope, receive, send):
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    async with anyio.create_task_group() as group:
        async def reader():
            while True:
                event = await receive()
                if event["type"] == "websocket.disconnect":
                    print("reader ends", flush=True)
                    group.cancel_scope.cancel()
                    return
                await send({"type": "websocket.send", "text": event["text"]})
        async def ticker():
            while True:
                with anyio.move_on_after(0.05):
                    await anyio.sleep(10)
                await send({"type": "websocket.send", "text": "tick"})
        group.start_soon(reader)
        group.start_soon(ticker)
""")
    server = serve()
    with connect(server, "/") as client:
        client.text("mine")
        found = [client.message() for _ in range(4)]
        assert found.count("mine") == 1 and found.count("tick") == 3
        client.close(1000)
        server.log.wait("reader ends")
    assert "Traceback" not in server.log.text()

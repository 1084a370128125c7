"""What an app sees of TLS, as ASGI (`app`) and as WSGI (`application`); and bodies of any size."""

import json
from urllib.parse import parse_qs


async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": scope["scheme"] + " " + event["text"]})
        return
    if scope["path"] == "/large":
        size = int(parse_qs(scope["query_string"].decode())["size"][0])
        body = bytes(range(256)) * (size // 256)
    elif scope["path"] == "/echo":
        body = b""
        while True:
            event = await receive()
            body += event.get("body", b"")
            if not event.get("more_body"):
                break
    elif scope["path"] == "/file":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.pathsend", "path": __file__})
        return
    else:
        body = json.dumps({"scheme": scope["scheme"], "tls": scope["extensions"].get("tls")}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


def application(environ, start_response):
    if environ["PATH_INFO"] == "/file":
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](open(__file__, "rb"))
    if environ["PATH_INFO"] == "/echo":
        body = environ["wsgi.input"].read()
    elif environ["PATH_INFO"] == "/large":
        body = bytes(range(256)) * (int(parse_qs(environ["QUERY_STRING"])["size"][0]) // 256)
    else:
        seen = {name: value for name, value in environ.items() if name.startswith("SSL_") or name == "HTTPS"}
        body = json.dumps({"scheme": environ["wsgi.url_scheme"], "tls": seen}).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]

"""The least ASGI application: rgun hello_asgi:app"""


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError(f"only http here, not {scope['type']}")
    body = b"Hello, world!"
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

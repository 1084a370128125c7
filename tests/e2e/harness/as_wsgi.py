"""Stories for both interfaces: the ASGI app of a story as a WSGI app, so that WSGI workers live through the same."""

# Behind the story's own text in the same file, so that its errors stay where they are. Each request gets an event loop.
ADAPTER = '''

def _as_wsgi(asgi):
    import asyncio

    def wsgi(environ, start_response):
        scope = {
            "type": "http", "method": environ["REQUEST_METHOD"], "path": environ["PATH_INFO"].encode("latin-1").decode(),
            "query_string": environ["QUERY_STRING"].encode("latin-1"), "http_version": environ["SERVER_PROTOCOL"][5:],
            "scheme": environ["wsgi.url_scheme"], "client": (environ["REMOTE_ADDR"], 0),
            "headers": [(key[5:].replace("_", "-").lower().encode(), value.encode("latin-1")) for key, value in environ.items() if key.startswith("HTTP_")],
        }
        loop = asyncio.new_event_loop()
        blocks, ended = [], [False]

        async def receive():
            if ended[0]:
                await asyncio.Event().wait()
            block = environ["wsgi.input"].read(65536)
            ended[0] = not block
            return {"type": "http.request", "body": block, "more_body": bool(block)}

        write = [None]

        async def send(message):
            if message["type"] == "http.response.start":
                headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message.get("headers", [])]
                write[0] = start_response("%d X" % message["status"], headers)
            elif message.get("more_body"):
                write[0](message.get("body", b""))
            else:
                blocks.append(message.get("body", b""))

        try:
            loop.run_until_complete(asgi(scope, receive, send))
        finally:
            loop.close()
        return blocks

    return wsgi


app = application = _as_wsgi(app)
'''


def as_wsgi(text):
    """The app of that text, if there is one."""
    return text + ADAPTER if "async def app(" in text else text

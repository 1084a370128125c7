"""Apps that a story changes while the server runs, as text. Apps that do not change are in `apps/`."""

BOOT_FAILED, LOAD_FAILED = 3, 4  # gunicorn's exit codes


def version(name, before="", startup="", health=200):
    """An app that answers with its name; `before` runs at import, `startup` in the lifespan's startup."""
    return f"""
import os, sys, time, asyncio
{before}

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = (await receive())["type"]
            if event == "lifespan.startup":
                {startup or "pass"}
            await send({{"type": event + ".complete"}})
            if event == "lifespan.shutdown":
                return
    status = {health} if scope["path"] == "/healthz" else 200
    await send({{"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]}})
    await send({{"type": "http.response.body", "body": {name!r}.encode()}})
"""


SYNTAX_ERROR = "def broken(:\n"
IMPORT_ERROR = "import a_module_that_nobody_has\n"

# WSGI; prints a line for each request.
PRINTS = '''
def app(environ, start_response):
    print("printed")
    if environ["PATH_INFO"] == "/fails":
        raise ValueError("on purpose")
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
'''

"""The scope of a request that an ASGI app gets, from gunicorn's uvicorn worker and from rgun for that name."""

import json

from raw import ask
from shapes import REQUESTS
from story import story

APP = """
import json
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    def plain(value):
        if isinstance(value, bytes):
            return value.decode("latin-1")
        if isinstance(value, (list, tuple)):
            return [plain(one) for one in value]
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items()}
        return value
    shown = {key: plain(value) for key, value in scope.items()}
    shown["body"] = plain(body)
    text = json.dumps(shown).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text if scope["method"] != "HEAD" else b""})
"""


@story
def the_scope_of_many_requests(subject):
    subject.write(APP)
    server = subject.start("app:app", "-k", "uvicorn_worker.UvicornWorker")
    server.wait_serving()
    facts = {}
    for name, request in REQUESTS.items():
        answer = ask(server, request)
        facts[f"{name}: status"] = answer and answer.status
        if not (answer and answer.status == 200 and answer.body):
            continue
        told = json.loads(answer.body)
        for key in ("client", "server"):
            host, port = told[key]
            told[key] = [host, port if port == 0 else "a port"]
        # The extensions that a server has are its own.
        told.pop("extensions", None)
        told["headers"] = sorted(told["headers"])
        facts.update({f"{name}: {key}": value for key, value in told.items()})
    return facts

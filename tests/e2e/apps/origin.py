"""Reports where a request came from, as the app sees it: as ASGI (`app`) and as WSGI (`application`), in the same form."""

import json

FIELDS = ("script_name", "x_user")


def _body(**seen):
    return json.dumps(seen).encode()


async def app(scope, receive, send):
    assert scope["type"] == "http"
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    root, path = scope["root_path"], scope["path"]
    body = _body(
        client=list(scope["client"]) if scope["client"] else None,
        scheme=scope["scheme"],
        server=list(scope["server"]) if scope["server"] else None,
        host=headers.get("host"),
        root=root,
        path=path[len(root):] if root and path.startswith(root) else path,
        underscores=sorted(name.upper() for name in headers if "_" in name),
    )
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


def application(environ, start_response):
    port = environ["REMOTE_PORT"]
    assert (environ.get("HTTPS") == "on") == (environ["wsgi.url_scheme"] == "https")
    body = _body(
        client=[environ["REMOTE_ADDR"], int(port)] if environ["REMOTE_ADDR"] else None,
        scheme=environ["wsgi.url_scheme"],
        server=[environ["SERVER_NAME"], int(environ["SERVER_PORT"])],
        host=environ.get("HTTP_HOST"),
        root=environ["SCRIPT_NAME"],
        path=environ["PATH_INFO"],
        underscores=sorted(name[5:] for name in environ if name in ("HTTP_SCRIPT_NAME", "HTTP_X_USER")),
    )
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]

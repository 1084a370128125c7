"""Asking `apps/origin.py` where a request came from, on both interfaces."""

import json

import pytest

both = pytest.mark.parametrize("origin", ["app:app", "app:application"], ids=["asgi", "wsgi"], indirect=True)


def ask(server, headers, path="/"):
    """What the app has seen of one request; over a connection of its own when asked of a server."""
    if hasattr(server, "log"):
        with server.connect() as client:
            return ask(client, headers, path)
    response = server.get(path, headers=headers)
    assert response.status == 200, response.body
    return json.loads(response.body)

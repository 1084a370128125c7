"""Requests to `apps/origin.py`, which reports where a request came from, on both interfaces."""

import json

import pytest

both = pytest.mark.parametrize("origin", ["app:app", "app:application"], ids=["asgi", "wsgi"], indirect=True)


def ask(server, headers, path="/"):
    """The app's view of one request; over a new connection if given a server."""
    if hasattr(server, "log"):
        with server.connect() as client:
            return ask(client, headers, path)
    response = server.get(path, headers=headers)
    assert response.status == 200, response.body
    return json.loads(response.body)

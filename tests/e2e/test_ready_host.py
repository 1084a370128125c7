"""The Host of the request for `--ready-path`: one that the app accepts."""

import pytest

from harness.apps import BOOT_FAILED
from harness.project import VIEWS, write_project

pytestmark = [pytest.mark.both_loops]
# Responds with the Host of the request.
TOLD = VIEWS.replace("def healthz(request):", "def healthz(request):\n    print('asked', request.headers['Host'], flush=True)")


@pytest.mark.both_artifacts
@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
@pytest.mark.parametrize("hosts, expected", [
    (["shop.example"], "shop.example"), ([".shop.example"], "shop.example"), (["*"], "localhost"), (["shop.example", "localhost"], "shop.example"),
    (["shop.example:8000", ".b.example"], "b.example"), (["", "[::1]"], "[::1]"), (["127.0.0.1"], "127.0.0.1"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else value)
def test_the_first_usable_allowed_host(app, launch, interface, hosts, expected):
    server = launch(write_project(app, interface, hosts=hosts, views=TOLD), "--ready-path", "/healthz")
    server.wait_ready()
    assert server.log.find("^asked (.*)") and server.log.wait("^asked (.*)").group(1) == expected


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_the_setting_takes_precedence(app, launch, interface):
    server = launch(write_project(app, interface, hosts=["a.example", "b.example"], views=TOLD), "--ready-path", "/healthz", "--ready-host", "b.example")
    server.wait_ready()
    assert server.log.wait("^asked (.*)").group(1) == "b.example"


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_a_400_names_the_host_and_the_option(app, launch, interface):
    checks = VIEWS.replace("    return", "    request.get_host()\n    return")
    server = launch(write_project(app, interface, hosts=["a.example"], views=checks), "--ready-path", "/healthz", "--ready-host", "c.example")
    assert server.wait_exit() == BOOT_FAILED
    line = server.log.wait("/healthz answered 400 .*").string
    assert "c.example" in line and "--ready-host" in line


def test_without_django_it_is_localhost(app, launch):
    app.write("""
async def app(scope, receive, send):
    assert scope["type"] == "http"
    print("asked", dict(scope["headers"])[b"host"].decode(), flush=True)
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})
""")
    server = launch("app:app", "--ready-path", "/healthz")
    server.wait_ready()
    assert server.log.wait("^asked (.*)").group(1) == "localhost"

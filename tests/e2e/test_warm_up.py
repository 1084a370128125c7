"""What an app loads with its first request is loaded while the worker boots: an error there fails the boot, and no request is affected."""

import subprocess

import pytest

from harness.apps import BOOT_FAILED
from harness.project import SETTINGS, URLS, VIEWS, write_project

BROKEN = "def broken():\n    raise RuntimeError('no such shop')\n\nbroken()\n"
WRAPPED = {
    "plain": "",
    "whitenoise": "from whitenoise import WhiteNoise\napp = WhiteNoise(app)\n",
    "closure": "def wrap(inner):\n    def call(environ, start_response):\n        return inner(environ, start_response)\n    return call\napp = wrap(app)\n",
    "slots": "class Wrap:\n    __slots__ = ('inner',)\n    def __init__(self, inner):\n        self.inner = inner\n    def __call__(self, environ, start_response):\n        return self.inner(environ, start_response)\napp = Wrap(app)\n",
}
WRAPPED_ASGI = {
    "channels": "from channels.routing import ProtocolTypeRouter\napp = ProtocolTypeRouter({'http': app})\n",
    "starlette": "from starlette.middleware.gzip import GZipMiddleware\napp = GZipMiddleware(app)\n",
}


def fails(server, *expected):
    assert server.wait_exit() == BOOT_FAILED
    text = server.log.wait_end()
    for part in expected:
        assert part in text, text
    assert text.count("Traceback (most recent call last)") == 1, text
    first = text.split("Traceback (most recent call last)")[1].splitlines()[1]
    assert "<rgun" not in text and "importlib" not in first, text
    return first


@pytest.mark.both_artifacts
@pytest.mark.both_loops
@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_a_broken_view_fails_the_boot(app, launch, interface):
    server = launch(write_project(app, interface, views=BROKEN), "-w", "2")
    first = fails(server, "RuntimeError: no such shop", "in broken")
    assert "urls.py" in first, f"the project's own file comes first: {first}"


@pytest.mark.parametrize("wrapper", [*WRAPPED, *WRAPPED_ASGI])
def test_a_broken_view_within_a_wrapped_app(app, launch, wrapper):
    interface = "asgi" if wrapper in WRAPPED_ASGI else "wsgi"
    server = launch(write_project(app, interface, views=BROKEN, entry={**WRAPPED, **WRAPPED_ASGI}[wrapper]))
    fails(server, "RuntimeError: no such shop")


@pytest.mark.parametrize("modules, expected", [
    ({"shop__urls": BROKEN}, "no such shop"),
    ({"urls": URLS + "handler500 = 'views.nothing'\n"}, "nothing"),
    ({"urls": "urlpatterns = 'nonsense'\n"}, "AttributeError"),
    ({"processors": ["views.nothing"]}, "nothing"),
    ({"settings": SETTINGS.format(hosts=["*"], processors=[]).replace("DjangoTemplates", "Nothing")}, "Nothing"),
    ({"settings": SETTINGS.format(hosts=["*"], processors=[]).replace("MIDDLEWARE = []", "MIDDLEWARE = ['views.nothing']")}, "nothing"),
    ({"settings": SETTINGS.format(hosts=["*"], processors=[]).replace('"urls"', '"nowhere"')}, "No module named 'nowhere'"),
], ids=["included urls", "error handler", "urlpatterns", "context processor", "template engine", "middleware", "urlconf"])
@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_whatever_django_loads_late(app, launch, interface, modules, expected):
    server = launch(write_project(app, interface, **modules))
    assert server.wait_exit() == BOOT_FAILED
    assert expected in server.log.wait_end()


@pytest.mark.both_loops
@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_a_reload_with_a_broken_view_is_rolled_back(app, launch, interface):
    server = launch(write_project(app, interface), "-w", "2")
    server.wait_ready(2)
    app.write(BROKEN, "views.py")
    mark = server.log.mark()
    assert "rolled back" in server.reload().string
    server.log.wait("RuntimeError: no such shop", after=mark)
    assert server.get("/healthz").text == "one"
    app.write(VIEWS.replace("'one'", "'two'"), "views.py")
    assert "succeeded" in server.reload().string
    assert server.get("/healthz").text == "two"


def test_off_leaves_it_to_the_first_request(app, launch):
    server = launch(write_project(app, views=BROKEN), "--warm-up", "off")
    server.wait_ready()
    assert server.get("/healthz").status == 500


def test_check_config_finds_it(app, program):
    spec = write_project(app, views=BROKEN)
    for options, code in (([], 1), (["--warm-up", "off"], 0)):
        done = subprocess.run([*program, spec, "--check-config", *options], cwd=app.path, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stderr
        assert ("RuntimeError: no such shop" in done.stderr) == (code == 1)


def test_no_view_is_called_and_no_connection_stays(app, launch):
    """A view that counts, and a URLconf that queries the database while it is imported."""
    views = VIEWS + "calls = []\ndef healthz(request):\n    calls.append(1)\n    from django.db import connections\n    return HttpResponse('%d %s' % (len(calls), connection_of_boot.connection))\n"
    views += "from django.db import connection\nconnection.cursor().execute('SELECT 1')\nfrom django.db import connections\nconnection_of_boot = connections['default']\n"
    server = launch(write_project(app, "wsgi", views=views), "--threads", "2")
    server.wait_ready()
    assert server.get("/healthz").text == "1 None"


def test_an_app_that_has_only_models_of_django(app, launch):
    """Its URLconf belongs to another app."""
    write_project(app, urls=BROKEN)
    (app.path / "entry.py").write_text(
        "import os\nos.environ['DJANGO_SETTINGS_MODULE'] = 'settings'\nimport django\ndjango.setup()\nimport django.core.handlers.base\n"
        "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/')\ndef hello():\n    return 'hello'\n"
    )
    server = launch("entry:app")
    server.wait_ready()
    assert server.get("/").text == '"hello"'


STARLETTE = """
import asyncio
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

class Odd:
    def __init__(self, app):
        asyncio.get_running_loop()
        %s
        self.app = app

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)

async def hello(request):
    return PlainTextResponse("hello")

odd = [Middleware(Odd)]
"""
INNER = {
    "itself": "app = Starlette(routes=[Route('/', hello)], middleware=odd)\n",
    "mounted": "app = Starlette(routes=[Route('/', hello), Mount('/inner', Starlette(routes=[Route('/', hello)], middleware=odd))])\n",
    "wrapped": "from starlette.middleware.cors import CORSMiddleware\napp = CORSMiddleware(Starlette(routes=[Route('/', hello)], middleware=odd))\n",
    "fastapi": "from fastapi import FastAPI\napp = FastAPI(middleware=odd)\napp.get('/')(lambda: 'hello')\n",
    "in fastapi": "from fastapi import FastAPI\nouter = FastAPI()\nouter.get('/')(lambda: 'hello')\nouter.mount('/inner', Starlette(routes=[Route('/', hello)], middleware=odd))\napp = outer\n",
}


@pytest.mark.both_loops
@pytest.mark.parametrize("place", INNER)
@pytest.mark.parametrize("lifespan", ["auto", "off"])
def test_middleware_of_starlette_that_cannot_be_made(app, launch, place, lifespan):
    (app.path / "entry.py").write_text(STARLETTE % "raise RuntimeError('no such middleware')" + INNER[place])
    fails(launch("entry:app", "--lifespan", lifespan), "RuntimeError: no such middleware")


@pytest.mark.both_loops
@pytest.mark.parametrize("place", INNER)
def test_middleware_of_starlette_is_made_once_in_the_running_loop(app, launch, place):
    (app.path / "entry.py").write_text(STARLETTE % "print('made', flush=True)" + INNER[place])
    server = launch("entry:app")
    server.wait_ready()
    for _ in range(2):
        assert "hello" in server.get("/").text
    if "inner" in INNER[place]:
        assert server.get("/inner/").text == "hello"
    assert len(server.log.find("^made$")) == 1


def test_a_loop_that_views_take_while_they_are_imported_is_the_one_that_runs(app, launch):
    views = "import asyncio\nfrom django.http import HttpResponse\nloop = asyncio.get_event_loop()\nasync def healthz(request):\n    return HttpResponse(str(loop is asyncio.get_running_loop()))\n"
    server = launch(write_project(app, views=views))
    server.wait_ready()
    assert server.get("/healthz").text == "True"


def test_no_view_of_flask_is_called(app, launch):
    (app.path / "entry.py").write_text(
        "from flask import Flask\napp = Flask('x')\ncalls = []\n@app.before_request\ndef count():\n    calls.append(1)\n@app.route('/')\ndef hello():\n    return str(len(calls))\n"
    )
    server = launch("entry:app")
    server.wait_ready()
    assert server.get("/").text == "1"



"""The interface of an app is detected from its signature: nothing is called for that."""

import functools
import importlib.util
import json
from pathlib import Path

import pytest

from harness.apps import LOAD_FAILED

BOOT = Path(__file__).parent.parent.parent / "src" / "worker" / "python" / "boot.py"


@pytest.fixture(scope="module")
def interface_of():
    spec = importlib.util.spec_from_file_location("rgun_boot", BOOT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.interface_of


def fail(*args, **keywords):
    raise AssertionError("detection must not call anything")


def function(environ, start_response):
    fail()


def generator(environ, start_response):
    fail()
    yield b""


def with_default(environ, start_response, log=None):
    fail()


def undeclared(*args, **keywords):
    fail()


def configured(settings, environ, start_response):
    fail()


class Instance:
    def __call__(self, environ, start_response):
        fail()

    def handle(self, environ, start_response):
        fail()


class Iterable:
    def __init__(self, environ, start_response):
        fail()

    def __iter__(self):
        fail()


class Decorated:
    def __call__(self, *args, **keywords):
        fail()


@functools.wraps(function)
def wrapped(*args, **keywords):
    fail()


def flask():
    return pytest.importorskip("flask").Flask("x")


def flask_proxied():
    app = pytest.importorskip("flask").Flask("x")
    app.wsgi_app = pytest.importorskip("werkzeug.middleware.proxy_fix").ProxyFix(app.wsgi_app)
    return app


def proxy_fix():
    return pytest.importorskip("werkzeug.middleware.proxy_fix").ProxyFix(function)


def django(name):
    pytest.importorskip("django")
    from importlib import import_module

    from django.conf import settings

    if not settings.configured:
        settings.configure()
    return getattr(import_module(f"django.core.handlers.{name}"), f"{name.upper()}Handler")()


def validator():
    from wsgiref.validate import validator

    return validator(function)


WSGI = {
    "function": function,
    "generator": generator,
    "optional third argument": with_default,
    "undeclared arguments": undeclared,
    "partial": functools.partial(configured, {}),
    "partial with keyword": functools.partial(with_default, log=fail),
    "instance": Instance(),
    "bound method": Instance().handle,
    "class that iterates": Iterable,
    "instance with undeclared arguments": Decorated(),
    "wrapped": wrapped,
    "lambda": lambda environ, start_response: fail(),
    "flask": flask,
    "flask behind ProxyFix": flask_proxied,
    "ProxyFix": proxy_fix,
    "django": functools.partial(django, "wsgi"),
    "wsgiref.validate": validator,
}


@pytest.mark.parametrize("name", WSGI)
def test_wsgi(interface_of, name):
    app = WSGI[name]
    if name in ("flask", "flask behind ProxyFix", "ProxyFix", "django", "wsgiref.validate"):
        app = app()
    assert interface_of(app) == "wsgi"


async def coroutine(scope, receive, send):
    fail()


async def three_of_any_name(a, b, c):
    fail()


def returns_awaitable(scope, receive, send):
    fail()


def with_options(scope, receive=None, send=None):
    fail()


@functools.wraps(coroutine)
def wrapped_coroutine(*args, **keywords):
    fail()


class AsyncInstance:
    async def __call__(self, scope, receive, send):
        fail()

    async def handle(self, scope, receive, send):
        fail()


class Awaitable:
    def __init__(self, scope, receive, send):
        fail()

    def __await__(self):
        fail()


class DoubleClass:
    def __init__(self, scope):
        fail()

    async def __call__(self, receive, send):
        fail()


def double(scope):
    fail()


def starlette():
    return pytest.importorskip("starlette.applications").Starlette()


def fastapi():
    return pytest.importorskip("fastapi").FastAPI()


ASGI = {
    "coroutine function": (coroutine, "asgi3"),
    "any names": (three_of_any_name, "asgi3"),
    "function that returns an awaitable": (returns_awaitable, "asgi3"),
    "scope and defaults": (with_options, "asgi3"),
    "wrapped": (wrapped_coroutine, "asgi3"),
    "partial": (functools.partial(coroutine), "asgi3"),
    "nested partial": (functools.partial(functools.partial(coroutine)), "asgi3"),
    "instance": (AsyncInstance(), "asgi3"),
    "partial of an instance": (functools.partial(AsyncInstance()), "asgi3"),
    "bound method": (AsyncInstance().handle, "asgi3"),
    "awaitable class": (Awaitable, "asgi3"),
    "ASGI 2 class": (DoubleClass, "asgi2"),
    "ASGI 2 function": (double, "asgi2"),
    "starlette": (starlette, "asgi3"),
    "fastapi": (fastapi, "asgi3"),
    "django": (functools.partial(django, "asgi"), "asgi3"),
}


@pytest.mark.parametrize("name", ASGI)
def test_asgi(interface_of, name):
    app, expected = ASGI[name]
    if name in ("starlette", "fastapi", "django"):
        app = app()
    assert interface_of(app) == expected


TWO = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"wsgi"]
"""
ANY = """
def app(*args):
    if len(args) == 2:
        args[1]("200 OK", [])
        return [b"wsgi"]
    return answer(*args)

async def answer(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"asgi"})
"""


@pytest.mark.parametrize("worker_class", ["auto", "sync", "gthread", "wsgi"])
def test_wsgi_is_served(app, serve, worker_class):
    app.write(TWO)
    assert serve(None, "-k", worker_class).get().text == "wsgi"


@pytest.mark.parametrize("worker_class", ["asgi", "uvicorn.workers.UvicornWorker", "wsgi", "auto"])
def test_the_operator_knows_better(app, serve, worker_class):
    app.write(ANY)
    expected = "wsgi" if worker_class in ("wsgi", "auto") else "asgi"
    assert serve(None, "-k", worker_class, "--lifespan", "off").get().text == expected


TWICE_CALLED = """
import json

class App:
    def __init__(self, scope):
        self.scope = scope

    async def __call__(self, receive, send):
        if self.scope["type"] == "lifespan":
            await receive()
            self.scope["state"]["lifespan"] = self.scope["asgi"]["version"]
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        elif self.scope["type"] == "http":
            body = (await receive())["body"].decode()
            await send({"type": "http.response.start", "status": 200})
            told = [self.scope["asgi"]["version"], self.scope["state"]["lifespan"], body]
            await send({"type": "http.response.body", "body": json.dumps(told).encode()})

def function(scope):
    return App(scope)
"""


@pytest.mark.parametrize("spec", ["app:App", "app:function"])
def test_asgi_002_double_callables_are_served_and_told_their_version(app, serve, spec):
    app.write(TWICE_CALLED)
    with serve(None, spec=spec).connect() as client:
        client.request("POST", "/", [("Content-Length", "3")])
        client.send(b"abc")
        assert json.loads(client.response().body) == ["2.0", "2.0", "abc"]


@pytest.mark.parametrize("spec", ["app:make()", "app:make_class()"])
def test_factory(app, serve, spec):
    app.write(TWO.replace("def app", "def inner") + """
class Other:
    def __call__(self, environ, start_response):
        return inner(environ, start_response)

def make():
    return inner

def make_class():
    return Other()
""")
    assert serve(None, spec=spec).get().text == "wsgi"


def test_wsgi_ready_path(app, serve, launch):
    app.write("""
def app(environ, start_response):
    print("asked for", environ["PATH_INFO"], environ["HTTP_HOST"], environ["SERVER_NAME"], flush=True)
    start_response("204 No Content" if environ["PATH_INFO"] == "/good" else "503 Oh", [])
    return []
""")
    server = serve(None, "--ready-path", "/good", "--threads", "2")
    assert "asked for /good localhost localhost" in server.log.text()
    for path, told in (("/bad", "/bad answered 503"),):
        failed = launch("app:app", "--ready-path", path)
        assert failed.wait_exit() == 3
        assert told in failed.log.wait_end()
    app.write("def app(environ, start_response):\n    raise RuntimeError('not yet')\n")
    failed = launch("app:app", "--ready-path", "/bad")
    assert failed.wait_exit() == 3
    text = failed.log.wait_end()
    assert "/bad answered 500" in text and "RuntimeError: not yet" in text


HINTS = {
    "wsgi": """
def app(environ, start_response):
    environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload")])
    start_response("204 No Content" if environ["PATH_INFO"] == "/good" else "503 Oh", [])
    return []
""",
    "asgi": """
async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError
    await send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]})
    await send({"type": "http.response.start", "status": 204 if scope["path"] == "/good" else 503})
    await send({"type": "http.response.body"})
""",
}


@pytest.mark.parametrize("interface", HINTS)
def test_the_ready_path_of_an_app_that_sends_early_hints(app, serve, launch, interface):
    app.write(HINTS[interface])
    serve(None, "--ready-path", "/good").wait_ready()
    failed = launch("app:app", "--ready-path", "/bad")
    assert failed.wait_exit() == 3
    assert "/bad answered 503" in failed.log.wait_end()


def test_check_config_loads_a_wsgi_app(app, launch):
    app.write(TWO)
    assert launch("app:app", "--check-config").wait_exit() == 0
    app.write("raise RuntimeError('no')\n")
    assert launch("app:app", "--check-config").wait_exit() in (1, LOAD_FAILED)

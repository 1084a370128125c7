"""The first boot fails: one clear message, the user's traceback, the right exit code, at once, with nothing left behind."""

import re
import time

import pytest

from harness.apps import BOOT_FAILED, IMPORT_ERROR, LOAD_FAILED, SYNTAX_ERROR, version
from harness.waiting import eventually

# "Within a second" of the failure, on a machine that also runs other tests.
AT_ONCE = 2.0


def fails(server, code):
    started = time.monotonic()
    assert server.wait_exit() == code, server.log.text()
    eventually(lambda: not server.leftovers(), "no process is left")
    assert time.monotonic() - started < 10
    return server.log.wait_end()


def assert_the_reason_is_last(text):
    """Nothing that follows from it is shown below."""
    records = [line for line in text.splitlines() if line.startswith("[")]
    assert "[ERROR] the server did not come up" in records[-1], records


def assert_one_traceback(text, *expected):
    assert text.count("Traceback (most recent call last)") == 1, text
    for part in expected:
        assert part in text
    assert "_hosted.py" not in text and "importlib" not in text, f"frames that are not the user's:\n{text}"


@pytest.mark.both_artifacts
@pytest.mark.parametrize("workers", [1, 4])
def test_app_that_raises_on_import(app, launch, workers):
    app.write("def configure():\n    raise RuntimeError('no database')\n\nprint('importing', flush=True)\nconfigure()\n")
    server = launch("app:app", "-w", workers)
    text = fails(server, BOOT_FAILED)
    assert_one_traceback(text, "RuntimeError: no database", "in configure", "app.py")
    assert 'hint="the app\'s own code raised this; `rgun --check-config APP` tries the boot again, without serving"' in text
    assert_the_reason_is_last(text)


@pytest.mark.parametrize("interface", ["asgi", "wsgi", "import"])
def test_a_traceback_with_text_that_is_no_utf8(app, launch, interface):
    """`os.fsdecode` of such a name has lone surrogates, which are escaped as Python does on a terminal."""
    fails_here = "import os\ndef deep():\n    raise ValueError('name: ' + os.fsdecode(b'a\\xff'))\n"
    apps = {
        "asgi": "async def app(scope, receive, send):\n    assert scope['type'] == 'http'\n    deep()\n",
        "wsgi": "import logging\ndef app(environ, start_response):\n    logging.getLogger('gunicorn.error').warning('own %s', os.fsdecode(b'b\\xff'))\n    deep()\n",
        "import": "deep()\n",
    }
    app.write(fails_here + apps[interface])
    server = launch("app:app")
    if interface == "import":
        text = fails(server, BOOT_FAILED)
    else:
        server.wait_ready()
        assert server.get("/").status == 500
        server.log.wait("ValueError: name")
        text = server.log.text()
    assert_one_traceback(text, "in deep", r"ValueError: name: a\udcff")
    assert interface != "wsgi" or r"own b\udcff" in text and "Logging error" not in text


def test_a_long_chain_of_exceptions(app, launch):
    """As of a pool that tries again within `except`."""
    app.write("""
def deep(number):
    raise ConnectionError(f"attempt {number}")

error = None
for number in range(1500):
    try:
        try:
            if error:
                raise error
        finally:
            deep(number)
    except ConnectionError as latest:
        error = latest
raise error
""")
    text = fails(launch(), BOOT_FAILED)
    assert "in deep" in text and "attempt 0" in text and "ConnectionError: attempt 1499" in text and "RecursionError" not in text


def test_an_exception_that_the_app_keeps_keeps_its_frames(app, launch):
    app.write("""
import traceback

def deep():
    raise ValueError("kept")

try:
    deep()
except ValueError as error:
    kept = error
frames = len(traceback.extract_tb(kept.__traceback__))

def app(environ, start_response):
    if environ["PATH_INFO"] == "/fails":
        raise kept
    found = traceback.extract_tb(kept.__traceback__)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok" if found[-1].name == "deep" and len(found) > frames else b"no"]
""")
    server = launch("app:app", "-w", "1")
    server.wait_ready()
    assert server.get("/fails").status == 500
    server.log.wait("ValueError: kept")
    assert server.get("/").text == "ok"


def test_failure_is_told_within_a_second(app, launch):
    app.write("print('importing', flush=True)\nraise RuntimeError('no')\n")
    server = launch("app:app", "-w", "4")
    mark = server.log.wait("importing")
    began = next(time for line, time in zip(server.log.lines, server.log.times) if mark.string == line)
    assert server.wait_exit() == BOOT_FAILED
    assert time.monotonic() - began < AT_ONCE


def test_syntax_error(app, launch):
    app.write(SYNTAX_ERROR)
    text = fails(launch(), BOOT_FAILED)
    assert "SyntaxError" in text and "def broken(:" in text


def test_missing_module(app, launch):
    text = fails(launch("nowhere:app"), BOOT_FAILED)
    assert "nowhere" in text and "hint:" in text
    assert "Traceback" not in text, f"the user's code did not fail, so there is no traceback of it:\n{text}"
    assert "the app's own code" not in text


def test_module_that_imports_a_missing_module(app, launch):
    app.write(IMPORT_ERROR)
    assert_one_traceback(fails(launch(), BOOT_FAILED), "a_module_that_nobody_has", "app.py")


def test_attribute_that_is_not_there(app, launch):
    app.write(version("x").replace("async def app(", "async def application("))
    text = fails(launch("app:aplication"), LOAD_FAILED)
    assert "did you mean" in text and "application" in text
    assert "Traceback" not in text


def test_attribute_that_is_not_an_app(app, launch):
    app.write("app = 42\n")
    text = fails(launch(), LOAD_FAILED)
    assert re.search(r"app.*(int|callable)", text)


def test_factory_that_raises(app, launch):
    app.write("def make():\n    raise ValueError('no settings')\n")
    assert_one_traceback(fails(launch("app:make()"), BOOT_FAILED), "ValueError: no settings", "in make")


@pytest.mark.parametrize("call, told", [
    ("make()", "missing 1 required positional argument"), ("make(1, 2)", "takes 1 positional argument"), ("make(x)", "literal"),
    ("make(*[1])", "literal"), ("make(**{'only': 1})", "literal"), ("make(1)", "returned None"), ("make.nothing()", "no attribute"), ("number()", "not callable"),
])
def test_factory_that_cannot_be_called_so(app, launch, call, told):
    app.write("def make(only):\n    return None\nnumber = 42\n")
    text = fails(launch(f"app:{call}"), LOAD_FAILED)
    assert told in text and "Traceback" not in text


@pytest.mark.parametrize("call", ["make('a b', size=2)", "make('a b', size=[1, {'x': None}])"])
def test_factory_with_arguments(app, launch, call):
    app.write("""
def make(name, size=2):
    def app(environ, start_response):
        body = repr((name, size)).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
    return app
""")
    server = launch(f"app:{call}")
    assert server.get().text == repr(eval(call, {"make": lambda name, size: (name, size)}))


@pytest.mark.parametrize("workers", [1, 3])
def test_lifespan_startup_that_failed(app, launch, workers):
    app.write("""
async def app(scope, receive, send):
    assert scope["type"] == "lifespan"
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no cache server"})
""")
    assert "no cache server" in fails(launch("app:app", "-w", workers), BOOT_FAILED)


def test_ready_path_that_is_not_ready(app, launch):
    app.write(version("x", health=503))
    text = fails(launch("app:app", "-w", "2", "--ready-path", "/healthz"), BOOT_FAILED)
    assert "/healthz" in text and "503" in text


def test_boot_that_hangs(app, launch):
    app.write("import threading\nprint('hanging', flush=True)\nthreading.Event().wait()\n")
    server = launch("app:app", "--boot-timeout", "1")
    server.log.wait("hanging")
    text = fails(server, BOOT_FAILED)
    assert "not ready within --boot-timeout: the app was still being imported" in text
    assert re.search(r'File ".*threading.py", line \d+ in wait\n', text) and f'  File "{app.path}/app.py", line 3 in <module>' in text, text


@pytest.mark.parametrize("protocol", ["asgi", "wsgi"])
def test_ready_path_that_hangs(app, launch, protocol):
    app.write({
        "asgi": "import time\nasync def app(scope, receive, send):\n    time.sleep(1000)\n",
        "wsgi": "import time\ndef app(environ, start_response):\n    time.sleep(1000)\n",
    }[protocol])
    text = fails(launch("app:app", "--lifespan", "off", "--ready-path", "/slow", "--boot-timeout", "1"), BOOT_FAILED)
    assert "not ready within --boot-timeout: --ready-path /slow was not answered" in text
    assert f'  File "{app.path}/app.py", line 3 in app' in text, text


@pytest.mark.both_loops
@pytest.mark.parametrize("options", [(), ("--preload",)])
def test_app_that_closes_its_standard_streams(app, launch, options):
    app.write("import os\nos.closerange(0, 3)\n" + version("one"))
    server = launch("app:app", *options)
    server.wait_ready()
    assert server.get().text == "one"
    server.terminate()
    assert server.wait_exit() == 0
    server.log.wait('worker exited .*exit="code 0"')


def test_app_that_exits_at_import(app, launch):
    app.write("import sys\nsys.exit('configuration is missing')\n")
    text = fails(launch("app:app", "-w", "2"), BOOT_FAILED)
    assert "configuration is missing" in text


def test_app_that_dies_at_import(app, launch):
    app.write("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    server = launch("app:app", "-w", "2")
    text = fails(server, BOOT_FAILED)
    assert "SIGSEGV" in text


@pytest.mark.parametrize("text, hint", [
    ("def create_app(): return object()", "factory: `app()`, or --factory"),
    ("def create_app(config=None): return object()", "factory: `app()`, or --factory"),
    ("class create_app: pass", "factory: `app()`, or --factory"),
], ids=["function", "default", "class"])
def test_a_factory_that_is_not_named_as_one(app, launch, text, hint):
    app.write(text + "\napp = create_app\n")
    server = launch("app:app")
    text = fails(server, LOAD_FAILED)
    assert "takes no request" in text and hint in text

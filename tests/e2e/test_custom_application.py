"""Programs that start gunicorn by themselves (`BaseApplication`, `WSGIApplication`): with one line they start rgun."""

import os
import signal
import subprocess

import pytest
from harness.apps import BOOT_FAILED
from harness.server import Server
from harness.waiting import eventually

pytestmark = [pytest.mark.wheel]

# As gunicorn's documentation has it, with hooks.
STANDALONE = """
import rgun.gunicorn
import multiprocessing, os, sys
import gunicorn.app.base
from helper import NAME

def number_of_workers():
    return 2

def handler_app(environ, start_response):
    body = "%s %d %s" % (NAME, os.getppid(), " ".join(sys.argv[1:]))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body.encode()]

def post_fork(server, worker):
    server.log.info("post_fork %d", worker.age)

def say(name):
    return lambda server, *more: server.log.info(name)

class StandaloneApplication(gunicorn.app.base.BaseApplication):
    def __init__(self, app, options=None):
        self.options = options or {}
        self.application = app
        super().__init__()

    def load_config(self):
        config = {key: value for key, value in self.options.items() if key in self.cfg.settings and value is not None}
        for key, value in config.items():
            self.cfg.set(key.lower(), value)

    def load(self):
        return self.application

if __name__ == "__main__":
    options = {"bind": "127.0.0.1:0", "workers": number_of_workers(), "post_fork": post_fork, "on_starting": say("on_starting"), "when_ready": say("when_ready"), MORE}
    StandaloneApplication(handler_app, options).run()
    print("not reached")
"""


@pytest.fixture
def start(app, python):
    app.write("NAME = 'one'\n", "helper.py")
    running = []

    def start(text, *words, command=None, more="", **keywords):
        app.write(text.replace("MORE", more), "product.py")
        running.append(Server([python, *(command or ["product.py"]), *words], app.path, None, bind=None, **keywords))
        return running[-1]

    yield start
    for server in running:
        server.end()


def test_the_documentation_s_example(start):
    server = start(STANDALONE, "--a-word", "of its own")
    server.wait_ready(2)
    name, parent, words = server.get().text.split(" ", 2)
    assert (name, words) == ("one", "--a-word of its own")
    log = server.log.text()
    assert all(log.count(f"[INFO] {hook}") == 1 for hook in ("on_starting", "when_ready")) and log.count("[INFO] post_fork") == 2
    assert len(server.ready_pids()) == 2
    server.terminate()
    assert server.wait_exit() == 0
    assert "not reached" not in server.log.wait_end()


def test_hup_loads_the_program_anew(start, app):
    server = start(STANDALONE)
    server.wait_ready(2)
    app.write("NAME = 'two'\n", "helper.py")
    app.write(STANDALONE.replace("return 2", "return 3").replace("MORE", ""), "product.py")
    server.signal(signal.SIGHUP)
    server.wait_ready(3, generation=2)
    eventually(lambda: server.get().text.startswith("two "), "the new code")
    app.write("a broken program", "product.py")
    server.signal(signal.SIGHUP)
    server.log.wait("SyntaxError")
    assert server.get().text.startswith("two ")


@pytest.mark.parametrize("command", [["-m", "product"], ["bin/product"]], ids=["python -m", "a console script"])
def test_other_ways_to_start_it(start, app, command):
    app.write("import sys\nsys.path.insert(0, %r)\nimport runpy\nruntime = __import__('product')\nruntime.StandaloneApplication(runtime.handler_app, {'bind': '127.0.0.1:0'}).run()\n" % str(app.path), "bin/product")
    server = start(STANDALONE, command=command)
    server.wait_ready(2 if command[0] == "-m" else 1)
    assert server.get().text.startswith("one ")


def test_settings_that_have_no_effect_are_named_and_refused_ones_end_the_start(start):
    server = start(STANDALONE, more="'worker_connections': 5, 'threads': 2")
    server.wait_ready(2)
    assert server.log.text().count("worker_connections") == 1
    server = start(STANDALONE, more="'spew': True")
    assert server.wait_exit() == 1 and "spew" in server.log.wait_end()


def test_under_a_profiler_it_serves_in_this_process(start):
    server = start(STANDALONE, command=["-m", "cProfile", "-o", "profile.out", "product.py"])
    server.log.wait("profiler is active")
    eventually(lambda: server.get().text.startswith("one "), "an answer")
    server.signal(signal.SIGINT)
    assert server.wait_exit() == 0


@pytest.mark.parametrize("change, code, text", [
    (("self.cfg.set(key.lower(), value)", "self.cfg.set('no_such', 1)"), 1, "Error: No configuration setting for: no_such"),
    (("return self.application", "raise RuntimeError('no app here')"), BOOT_FAILED, "RuntimeError: no app here"),
    (("        return self.application", "        pass"), None, None),
])
def test_what_fails(start, change, code, text):
    server = start(STANDALONE.replace(*change))
    found = server.wait_exit()
    assert found == code if code is not None else found in (3, 4)
    assert text is None or text in server.log.wait_end()


WSGI = """
import rgun.gunicorn
from gunicorn.app.wsgiapp import WSGIApplication

class Product(WSGIApplication):
    def init(self, parser, opts, args):
        super().init(parser, opts, args)
        self.app_uri = "served:app"
        return {"bind": "127.0.0.1:0", "workers": 3}

if __name__ == "__main__":
    Product("%(prog)s [OPTIONS]").run()
"""


def test_a_subclass_of_gunicorn_s_own(start, app):
    app.write("import os\ndef app(environ, start_response):\n    start_response('200 OK', [])\n    return [os.environ['WHO'].encode()]\n", "served.py")
    app.write("raw_env = ['WHO=file']\nworkers = 4\n", "settings.py")
    server = start(WSGI, "-c", "settings.py", "-w", "2", env={**os.environ, "GUNICORN_CMD_ARGS": "--workers 5 --graceful-timeout 3"})
    server.wait_ready(2)
    assert server.get().text == "file"
    assert len(server.ready_pids()) == 2
    server = start(WSGI, "--no-such-option")
    assert server.wait_exit() == 2 and "--no-such-option" in server.log.wait_end()


def test_it_works_without_gunicorn(app, python):
    app.write("NAME = 'one'\n", "helper.py")
    app.write(STANDALONE.replace("MORE", ""), "product.py")
    code = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'gunicorn':
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import product
from gunicorn.config import Config
from gunicorn.glogging import Logger
application = product.StandaloneApplication(product.handler_app, {'workers': '7'})
print(application.cfg.workers, application.cfg.settings['workers'].get(), application.cfg.bind, type(application).__mro__[1].__module__)
"""
    done = subprocess.run([python, "-c", code], cwd=app.path, capture_output=True, text=True)
    assert done.stdout.split() == ["7", "7", "127.0.0.1:8000", "rgun.gunicorn"], done.stderr

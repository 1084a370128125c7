"""Effects of gunicorn.conf.py on Python exist in the workers: they are forked from the process that has run it."""

import json
import signal
import socket

import pytest
from harness.waiting import eventually

APP = """
import json, os, sys, time
def app(environ, start_response):
    found = {
        "path": environ["PATH_INFO"], "id": environ.get("HTTP_X_REQUEST_ID"), "env": os.environ.get("SITE"), "home": "HOME" in os.environ,
        "zone": time.tzname[0], "pid": os.getpid(), "under": os.environ.get("SERVER_SOFTWARE", ""), "shim": "site_shim" in sys.modules,
    }
    body = json.dumps(found).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.fixture
def conf(launch, app):
    """Start the server with such a file, and wait until it serves."""

    def start(text, *options, workers=1):
        (app.path / "app.py").write_text(APP)
        app.write(text, "gunicorn.conf.py")
        server = launch("app:app", "-w", workers, *options)
        server.wait_ready(workers)
        return server

    return start


def ask(server, path="/"):
    return json.loads(server.get(path).body)


@pytest.mark.both_artifacts
def test_state_of_python_is_inherited(conf):
    server = conf("""
import os, sys, time, types
os.environ["SITE"] = os.environ.get("SITE", "") + "x"
del os.environ["HOME"]
os.environ["TZ"] = "XYZ-3"
time.tzset()
sys.modules["site_shim"] = types.ModuleType("site_shim")
""")
    answer = ask(server)
    assert (answer["env"], answer["home"], answer["zone"], answer["shim"]) == ("x", False, "XYZ", True)
    assert answer["under"].startswith("rgun/")


def test_a_port_that_the_file_opens_is_opened_once(conf):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = conf(f"""
import http.server, threading
metrics = http.server.HTTPServer(("127.0.0.1", {port}), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=metrics.serve_forever, daemon=True, name="metrics").start()
def post_fork(server, worker):
    pass
""", workers=2)
    (line,) = server.log.find("the configuration file has started threads")
    assert "metrics (started by" in line
    mark = server.log.mark()
    server.signal(signal.SIGKILL, server.ready_pids()[0])
    server.wait_ready(1, after=mark)


@pytest.mark.both_artifacts
def test_attributes_that_pre_fork_puts_on_a_worker(conf):
    server = conf("""
import os
def pre_fork(server, worker):
    used = {one.number for one in server.WORKERS.values() if hasattr(one, "number")}
    worker.number = min(set(range(1, 9)) - used)
def post_fork(server, worker):
    os.environ["SITE"] = str(worker.number)
def child_exit(server, worker):
    server.log.info("number %s left", worker.number)
""", workers=2)
    # Which worker accepts is the kernel's choice: one may have many in a row.
    eventually(lambda: {ask(server)["env"] for _ in range(30)} == {"1", "2"}, "each worker has its number")
    mark = server.log.mark()
    victim = next(answer["pid"] for answer in iter(lambda: ask(server), None) if answer["env"] == "1")
    server.signal(signal.SIGKILL, victim)
    server.log.wait("number 1 left", after=mark)
    server.wait_ready(1, after=mark)
    eventually(lambda: {ask(server)["env"] for _ in range(30)} == {"1", "2"}, "the number is given again")


def test_filters_of_every_place(conf):
    server = conf("""
import logging
accesslog = "-"
class Without(logging.Filter):
    def __init__(self, part):
        self.part = part
    def filter(self, record):
        return self.part not in record.getMessage()
logging.getLogger("gunicorn.access").addFilter(Without("/module"))
def on_starting(server):
    server.log.access_log.addFilter(Without("/starting"))
def when_ready(server):
    server.log.access_log.addFilter(Without("/ready"))
def post_fork(server, worker):
    server.log.access_log.addFilter(Without("/fork"))
""")
    for path in ("/module", "/starting", "/ready", "/fork", "/last"):
        server.get(path)
    server.log.wait("GET /last")
    assert not server.log.find("GET /(module|starting|ready|fork)")


def test_the_app_is_there_for_hooks(conf):
    server = conf("""
def when_ready(server):
    server.log.info("in the master: %s", callable(server.app.wsgi()))
def post_fork(server, worker):
    server.log.info("in the worker: %s", callable(server.app.wsgi()))
def post_worker_init(worker):
    app = worker.wsgi
    def wrapped(environ, start_response):
        environ["PATH_INFO"] = "/wrapped"
        return app(environ, start_response)
    worker.wsgi = wrapped
""")
    assert server.log.find("in the master: True") and server.log.find("in the worker: True")
    assert ask(server)["path"] == "/wrapped"


def test_what_pre_request_changes_is_seen_by_the_app_and_the_access_log(conf):
    server = conf("""
accesslog = "-"
access_log_format = "LINE %({x-request-id}i)s"
def pre_request(worker, req):
    req.headers.append(("X-REQUEST-ID", "made-here"))
    if req.path.startswith("/old"):
        req.path = "/new" + req.path[4:]
""")
    answer = ask(server, "/old/x")
    assert (answer["path"], answer["id"]) == ("/new/x", "made-here")
    server.log.wait("LINE made-here")


@pytest.mark.parametrize("text", ["worker.alive = False", "worker.max_requests = 1"])
def test_a_worker_that_is_not_to_live_is_replaced(conf, text):
    hook = "def post_request(worker, req, environ, resp):" if "alive" in text else "def post_worker_init(worker):"
    server = conf(f"{hook}\n    {text}\n")
    (pid,) = server.ready_pids()
    mark = server.log.mark()
    assert ask(server)["pid"] == pid
    server.wait_ready(1, after=mark)
    assert ask(server)["pid"] != pid


def test_a_class_in_place_of_the_response(conf):
    server = conf("""
from gunicorn.http import wsgi
class Response(wsgi.Response):
    def default_headers(self, *arguments, **options):
        headers = super().default_headers(*arguments, **options) + ["X-Frame-Options: DENY\\r\\n"]
        return [one for one in headers if not one.startswith("Server:")]
    def send_headers(self):
        pass
wsgi.Response = Response
""")
    response = server.get("/")
    assert response.all("x-frame-options") == ["DENY"] and not response.all("server")
    assert server.log.find("it changes gunicorn.http.wsgi.Response.send_headers, which has no effect here")


@pytest.mark.parametrize("text", [
    'log_format = "%(asctime)s"\nlogconfig_dict = {"version": 1, "formatters": {"generic": {"format": log_format}}}\n',
    'import contextvars\nrequest_id = contextvars.ContextVar("request_id")\ndef pre_request(worker, req):\n    request_id.set("1")\n',
    'python = "3.12"\n', "ws = 10\n", "class factory:\n    pass\n", "request_timeout = None\n", "max_worker_memory = object()\n",
])
def test_names_that_are_no_settings_of_gunicorns_are_the_files_own(conf, text):
    assert ask(conf(text))["path"] == "/"


def test_a_reload_runs_the_file_anew(conf, app):
    server = conf("import os, sys\nsys.site = 1\nos.environ['SITE'] = 'old'\n")
    assert ask(server)["env"] == "old"
    app.write("import os, sys\nsys.site = 1\nos.environ['SITE'] = 'new'\n", "gunicorn.conf.py")
    assert "succeeded" in server.reload().string
    assert ask(server)["env"] == "new"
    app.write("import os, sys\nsys.site = 1\nif 'rgun' in sys.modules: raise RuntimeError('only where workers come from')\n", "gunicorn.conf.py")
    line = server.reload().string
    assert "rolled back" in line and "only where workers come from" in line, line
    assert ask(server)["env"] == "new"


WHERE = """
import json, os, sys
def app(environ, start_response):
    mask = os.umask(0)
    os.umask(mask)
    body = json.dumps({"cwd": os.getcwd(), "umask": mask, "path": [type(entry).__name__ for entry in sys.path]}).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.mark.parametrize("chdir", ["", "chdir = 'elsewhere'\n"], ids=["start", "chdir"])
def test_the_mask_goes_on_in_the_workers_and_the_directory_does_not(launch, app, chdir):
    for name in ("sub", "elsewhere"):
        (app.path / name).mkdir()
    app.write(WHERE)
    app.write(WHERE, "elsewhere/app.py")
    app.write(f"import os\nos.umask(0o27)\nos.chdir('sub')\n{chdir}", "gunicorn.conf.py")
    server = launch("app:app")
    server.wait_ready()
    found = ask(server)
    assert found["umask"] == 0o27
    assert found["cwd"] == str(app.path / ("elsewhere" if chdir else ""))


def test_the_path_of_workers_has_texts_alone(launch, app):
    app.write(WHERE)
    app.write("def post_fork(server, worker): pass\n", "gunicorn.conf.py")
    server = launch("app:app")
    server.wait_ready()
    assert set(ask(server)["path"]) == {"str"}

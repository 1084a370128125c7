"""The hooks of gunicorn.conf.py: the worker's in the worker, the master's in the process that workers are forked from."""

import os
import signal

import pytest
from harness import processes
from harness.waiting import eventually

pytestmark = [pytest.mark.both_artifacts]

# Every hook writes that it ran, where, and with which arguments.
ALL = """
import os
master = os.getppid()
def says(name, *about):
    with open("said", "a") as file:
        file.write(" ".join(map(str, [name, *about])) + "\\n")
def on_starting(server): says("on_starting", server.pid == master, server.cfg.workers); server.log.info("starting with %d", server.cfg.workers)
def when_ready(server): says("when_ready")
def pre_fork(server, worker): says("pre_fork", worker.age, worker.pid)
def post_fork(server, worker): says("post_fork", worker.age, worker.pid == os.getpid(), server.pid == os.getppid()); worker.log.info("hello from %s", worker.age)
def post_worker_init(worker): says("post_worker_init", worker.age, callable(worker.wsgi), worker.app.callable is worker.wsgi)
def worker_int(worker): says("worker_int", worker.age)
def worker_abort(worker): says("worker_abort", worker.age)
def worker_exit(server, worker): says("worker_exit", worker.age, worker.pid == os.getpid())
def child_exit(server, worker): says("child_exit", worker.age, worker.pid, worker.pid in server.WORKERS)
def nworkers_changed(server, new, old): says("nworkers_changed", new, old)
def on_reload(server): says("on_reload", sorted(w.age for w in server.WORKERS.values()))
def on_exit(server): says("on_exit")
"""


def said(app, name=""):
    path = app.path / "said"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line for line in lines if line.startswith(name)]


def test_the_life_of_a_server(launch, app):
    app.copy("hello.py")
    app.write(ALL, "gunicorn.conf.py")
    server = launch("app:app", "-w", "2")
    pids = server.wait_ready(2)
    # Before any worker, in this order.
    assert said(app)[:3] == ["nworkers_changed 2 None", "on_starting True 2", "when_ready"]
    assert said(app, "pre_fork") == ["pre_fork 1 [booting]", "pre_fork 2 [booting]"]
    assert sorted(said(app, "post_fork")) == ["post_fork 1 True True", "post_fork 2 True True"]
    assert sorted(said(app, "post_worker_init")) == ["post_worker_init 1 True True", "post_worker_init 2 True True"]
    server.log.wait(r"\[INFO\] starting with 2")
    server.log.wait(r"\[INFO\] hello from 1")
    # One dies: reported with its pid, and removed from the list by then.
    server.signal(signal.SIGKILL, pids[0])
    eventually(lambda: said(app, "child_exit") == [f"child_exit 1 {pids[0]} False"], "child_exit")
    server.wait_ready(3)
    server.signal(signal.SIGTTIN)
    eventually(lambda: "nworkers_changed 3 2" in said(app), "nworkers_changed")
    server.wait_ready(4)
    server.terminate()
    assert server.wait_exit() == 0
    assert sorted(said(app, "worker_exit")) == ["worker_exit 2 True", "worker_exit 3 True", "worker_exit 4 True"]
    assert len(said(app, "child_exit")) == 4 and not said(app, "worker_int")
    assert said(app)[-1] == "on_exit"


def test_a_reload_calls_the_hooks_of_the_new_file(launch, app):
    app.copy("hello.py")
    app.write(ALL, "gunicorn.conf.py")
    server = launch("app:app", "-w", "1")
    server.wait_ready(1)
    app.write(ALL + "def child_exit(server, worker): says('new child_exit', worker.age)\nworkers = 1\n", "gunicorn.conf.py")
    server.reload()
    assert said(app, "on_reload") == ["on_reload [1]"]
    lines = said(app)
    assert lines.index("on_reload [1]") < lines.index("pre_fork 2 [booting]")
    eventually(lambda: said(app, "new child_exit") == ["new child_exit 1"], "the new file's hook")
    # One beside the master, not two.
    eventually(lambda: len(server.children()) == 2, "the old mold is gone")


def test_a_reload_that_fails_leaves_the_old_hooks(launch, app):
    app.copy("hello.py")
    app.write(ALL, "gunicorn.conf.py")
    server = launch("app:app", "-w", "1")
    (pid,) = server.wait_ready(1).values()
    app.write(ALL.replace('says("child_exit"', 'says("new child_exit"'), "gunicorn.conf.py")
    app.write("raise SystemError")
    server.reload()
    app.copy("hello.py")
    server.signal(signal.SIGKILL, pid)
    eventually(lambda: any(str(pid) in line for line in said(app, "child_exit")), "the old file's hook")


def test_a_fast_stop_tells_the_workers(launch, app):
    app.copy("hello.py")
    app.write(ALL, "gunicorn.conf.py")
    server = launch("app:app", "-w", "1")
    server.wait_ready(1)
    server.signal(signal.SIGINT)
    assert server.wait_exit() == 0
    assert said(app)[-4:-2] == ["worker_int 1", "worker_exit 1 True"]


def test_worker_int_sees_what_is_about_to_be_interrupted(serve, app):
    app.write("""
import sys, traceback
def worker_int(worker):
    for stack in sys._current_frames().values():
        worker.log.info("%s", "|".join(frame.name for frame in traceback.extract_stack(stack)))
    worker.log.info("alive: %s", worker.alive)
""", "gunicorn.conf.py")
    server = serve("hooked_wsgi.py", "-k", "wsgi", "--threads", "2")
    with server.connect() as first, server.connect() as second:
        for client in (first, second):
            client.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: (app.path / "waiting").exists() and (app.path / "waiting").read_text() == "xx", "both requests are in the app")
        server.signal(signal.SIGINT)
        for client in (first, second):
            assert client.response().status == 500
    assert server.wait_exit() == 0
    text = server.log.wait_end()
    assert text.count("in_the_app") == 2 and text.index("in_the_app") < text.index("interrupted"), text
    assert "alive: False" in text


def test_worker_int_has_the_stack_that_the_recursion_limit_is_made_for(serve, app):
    app.write("""
def deep(levels):
    # Through C at each level.
    return sorted([levels], key=lambda left: deep(left - 1) if left else 0)[0]
def worker_int(worker):
    worker.log.info("as deep as %d", deep(250))
""", "gunicorn.conf.py")
    server = serve("hooked_wsgi.py", "-k", "wsgi", "--threads", "1")
    with server.connect() as client:
        client.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: (app.path / "waiting").exists(), "the request is in the app")
        server.signal(signal.SIGINT)
        assert client.response().status == 500
    assert server.wait_exit() == 0
    assert "as deep as 250" in server.log.wait_end()


def test_a_worker_that_hangs_is_told_to_abort(launch, app):
    app.path.joinpath("app.py").write_text(
        "import time\ndef app(environ, start_response):\n    if environ['PATH_INFO'] == '/hang':\n        time.sleep(600)\n"
        "    start_response('200 OK', [('content-length', '0')])\n    return []\n"
    )
    app.write(ALL, "gunicorn.conf.py")
    server = launch("app:app", "-w", "1", "--threads", "1", "--timeout", "1")
    server.wait_ready(1)
    with server.connect() as client:
        client.send(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: said(app, "worker_abort") == ["worker_abort 1"], "worker_abort")
    server.wait_ready(2)


RAISES = """
def {name}({arguments}):
    raise SystemError("from {name}")
"""


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("pre_fork", "server, worker"), ("child_exit", "server, worker"), ("worker_exit", "server, worker"), ("on_exit", "server")],
)
def test_a_hook_that_raises_is_logged_and_kills_nobody(launch, app, name, arguments):
    app.copy("hello.py")
    app.write(RAISES.format(name=name, arguments=arguments), "gunicorn.conf.py")
    server = launch("app:app", "-w", "1")
    (pid,) = server.wait_ready(1).values()
    assert server.get("/").status == 200
    if name in ("child_exit",):
        server.signal(signal.SIGKILL, pid)
        server.wait_ready(2)
    server.terminate()
    assert server.wait_exit() == 0
    text = server.log.wait_end()
    assert f"SystemError: from {name}" in text and f"in {name}" in text


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("nworkers_changed", "server, new, old"),
        ("on_starting", "server"),
        ("when_ready", "server"),
        ("post_fork", "server, worker"),
        ("post_worker_init", "worker"),
    ],
)
def test_as_with_gunicorn_a_boot_fails_by_its_hooks(launch, app, name, arguments):
    app.copy("hello.py")
    app.write(RAISES.format(name=name, arguments=arguments), "gunicorn.conf.py")
    server = launch("app:app", "-w", "1")
    assert server.wait_exit() == 3
    text = server.log.wait_end()
    assert f"SystemError: from {name}" in text and f"in {name}" in text
    assert "all workers ready" not in text


def test_a_guard_in_on_starting_may_end_the_start(launch, app):
    app.copy("hello.py")
    app.write("import sys\ndef on_starting(server): sys.exit('the migration has failed')\n", "gunicorn.conf.py")
    server = launch("app:app", "-w", "1")
    assert server.wait_exit() == 3
    assert "the migration has failed" in server.log.wait_end()


def test_a_reload_whose_on_reload_raises_changes_nothing(launch, app):
    app.copy("hello.py")
    app.write("def on_reload(server): raise SystemError('not now')\n", "gunicorn.conf.py")
    server = launch("app:app", "-w", "1")
    (pid,) = server.wait_ready(1).values()
    server.signal(signal.SIGHUP)
    server.log.wait("reload rolled back.*not now")
    assert server.get("/").status == 200
    assert pid in server.children()


def test_the_process_for_hooks_is_started_again(launch, app):
    app.copy("hello.py")
    app.write(ALL, "gunicorn.conf.py")
    server = launch("app:app", "-w", "1")
    (pid,) = server.wait_ready(1).values()
    (beside,) = [child for child in server.children() if child != pid]
    server.signal(signal.SIGKILL, beside)
    server.log.wait("mold died")
    assert server.get("/").status == 200
    eventually(lambda: [child for child in server.children() if child not in (pid, beside)], "there is another one")
    server.signal(signal.SIGKILL, pid)
    eventually(lambda: said(app, "child_exit") == [f"child_exit 1 {pid} False"], "it knows the workers of before")


def test_it_goes_with_the_master(launch, app):
    app.copy("hello.py")
    app.write(ALL, "gunicorn.conf.py")
    server = launch("app:app", "-w", "1")
    (pid,) = server.wait_ready(1).values()
    (beside,) = [child for child in server.children() if child != pid]
    server.signal(signal.SIGKILL)
    server.wait_exit()
    eventually(lambda: not processes.alive(beside), "it is gone")


def test_a_stop_does_not_wait_for_hooks_that_hang(launch, app):
    app.copy("hello.py")
    app.write("import time\ndef on_starting(server):\n    print('hanging')\n    time.sleep(600)\n", "gunicorn.conf.py")
    server = launch("app:app", "-w", "1")
    server.log.wait("hanging")
    server.terminate()
    assert server.wait_exit() == 0


def test_hooks_that_nobody_defined_cost_nothing(launch, app):
    app.copy("hello.py")
    app.write("import os\nopen('loaded', 'a').write('x')\nworkers = 2\n", "gunicorn.conf.py")
    server = launch("app:app")
    server.wait_ready(2)
    assert (app.path / "loaded").read_text() == "x"
    assert sorted(server.children()) == sorted(server.ready_pids())


REQUESTS = """
import time
def pre_request(worker, req):
    req.began = time.monotonic()
    worker.log.info("pre %s %s %s %s", req.method, req.path, req.query, dict(req.headers).get("X-TEST"))
def post_request(worker, req, environ, resp):
    worker.log.info("post %s %s %s %d", req.uri, resp.status_code, environ["REQUEST_METHOD"], req.began > 0)
"""


def test_around_requests(serve, app):
    app.write(REQUESTS, "gunicorn.conf.py")
    server = serve("hello.py")
    response = server.get("/x?a=b", headers=[("x-test", "yes")])
    server.log.wait(r"\[INFO\] pre GET /x a=b yes")
    server.log.wait(rf"\[INFO\] post /x\?a=b {response.status} GET 1")


def test_post_request_with_fewer_arguments(serve, app):
    app.write("def post_request(worker, req):\n    worker.log.info('post %s', req.path)\n", "gunicorn.conf.py")
    server = serve("hello.py")
    server.get("/x")
    server.log.wait(r"post /x")


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_post_request_leaves_the_response_as_it_is(launch, app, interface):
    """ASGI: fields from an iterator. WSGI: `exc_info` by name."""
    app.write(REQUESTS, "gunicorn.conf.py")
    apps = {
        "asgi": """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    fields = ((name, b"1") for name in (b"x-one", b"x-two"))
    await send({"type": "http.response.start", "status": 503, "headers": fields})
    await send({"type": "http.response.body", "body": b"sorry"})
""",
        "wsgi": """
import sys

def app(environ, start_response):
    try:
        raise KeyError("x")
    except KeyError:
        start_response("503 Sorry", [("x-one", "1"), ("x-two", "1")], exc_info=sys.exc_info())
    return [b"sorry"]
""",
    }
    app.write(apps[interface])
    server = launch("app:app")
    server.wait_ready()
    response = server.get("/x")
    assert (response.status, response.text, response.header("x-one"), response.header("x-two")) == (503, "sorry", "1", "1")
    server.log.wait(r"post /x 503 GET 1")


PROMETHEUS = """
from prometheus_client import multiprocess

def child_exit(server, worker):
    multiprocess.mark_process_dead(worker.pid)
"""
COUNTS = """
from prometheus_client import CollectorRegistry, Gauge, Counter, generate_latest, multiprocess

REQUESTS = Counter("requests", "Requests")
ALIVE = Gauge("alive", "Processes", multiprocess_mode="livesum")
ALIVE.set(1)

def app(environ, start_response):
    REQUESTS.inc()
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    body = generate_latest(registry)
    start_response("200 OK", [("content-type", "text/plain"), ("content-length", str(len(body)))])
    return [body]
"""


def test_prometheus_clients_recipe(launch, app):
    pytest.importorskip("prometheus_client")
    directory = app.path / "metrics"
    directory.mkdir()
    app.write(PROMETHEUS, "gunicorn.conf.py")
    app.path.joinpath("app.py").write_text(COUNTS)
    server = launch("app:app", "-w", "2", env={"PROMETHEUS_MULTIPROC_DIR": str(directory)})
    pids = server.wait_ready(2)
    assert b"alive 2.0" in server.get("/").body
    server.signal(signal.SIGKILL, pids[0])
    eventually(lambda: not (directory / f"gauge_livesum_{pids[0]}.db").exists(), "its live gauges are gone")
    server.wait_ready(3)
    body = server.get("/").body
    # The dead one counts no more as alive, and what it counted stays.
    assert b"alive 2.0" in body and b"requests_total 2.0" in body, body
    assert os.path.exists(directory / f"gauge_livesum_{pids[1]}.db")


@pytest.mark.parametrize("code", ["import time\ndef on_exit(server): time.sleep(100)\n", "import threading, time\nthreading.Thread(target=time.sleep, args=[100]).start()\n"])
def test_a_stop_fits_into_the_graceful_timeout_whatever_the_file_does(launch, app, code):
    app.copy("hello.py")
    # Without a hook the file would be read by a process that has ended.
    app.write(code + "def pre_fork(server, worker): pass\n", "gunicorn.conf.py")
    server = launch("app:app", "--graceful-timeout", "2")
    server.wait_ready(1)
    server.terminate()
    assert server.wait_exit() == 0
    line = server.log.wait(r"shutdown timed out: the on_exit hook, or the monitor, has not ended after_ms=(\d+)")
    assert int(line[1]) <= 2100
    eventually(lambda: not server.leftovers(), "no process is left")


LOGGERS = """
import logging
error = logging.getLogger("gunicorn.error")

class Masked(logging.Filter):
    def filter(self, record):
        record.msg = str(record.msg).replace("secret", "*****")
        return "noise" not in record.msg

def handler(name):
    return logging.FileHandler(name)

error.addFilter(Masked())
error.addHandler(handler("module.log"))

def on_starting(server):
    server.log.error_log.addHandler(handler("starting.log"))
    server.log.info("secret of on_starting")
    server.log.info("noise")

def when_ready(server):
    server.log.warning("%s of when_ready", "truth")

def post_fork(server, worker):
    worker.log.error_log.addHandler(handler("forked.log"))
    worker.log.warning("secret of post_fork")
    worker.log.log(logging.ERROR, "noise")
    worker.log.debug("detail")
    try:
        raise KeyError("lost")
    except KeyError:
        worker.log.exception("caught")
"""


def test_filters_and_handlers_of_gunicorns_logger_get_what_hooks_log(launch, app):
    app.copy("hello.py")
    app.write(LOGGERS, "gunicorn.conf.py")
    server = launch("app:app")
    server.wait_ready()
    server.log.wait(r"\[INFO\] \*\*\*\*\* of on_starting")
    server.log.wait(r"\[WARNING\] truth of when_ready")
    server.log.wait(r"\[WARNING\] \*\*\*\*\* of post_fork")
    server.log.wait(r"\[ERROR\] caught")
    server.log.wait("KeyError: 'lost'")
    assert not server.log.find("secret|noise|detail|<rgun")
    assert len(server.log.find("of post_fork")) == 1
    for name, lines in {"module": 4, "starting": 4, "forked": 2}.items():
        text = (app.path / f"{name}.log").read_text()
        own = [line for line in text.splitlines() if " of " in line or line == "caught"]
        assert len(own) == lines and "***** of post_fork" in own, text
        assert "KeyError: 'lost'" in text and "noise" not in text


@pytest.mark.parametrize("hook", ["worker.alive = False", "worker.max_requests = 1"])
def test_the_log_says_that_a_hook_ends_the_worker(launch, app, hook):
    app.copy("hello.py")
    name = "pre_request(worker, req)" if "alive" in hook else "post_worker_init(worker)"
    app.write(f"def {name}: {hook}\n", "gunicorn.conf.py")
    server = launch("app:app")
    server.wait_ready()
    assert server.get().status == 200
    server.log.wait(r"a hook ends the worker \(worker.alive or worker.max_requests\), draining")
    server.log.wait("worker ends without a request of the master")
    assert not server.log.find("SIGTERM")

"""The calls of hooks, their order and their arguments."""

import os
import signal
import threading

from harness.response import Cut, NoResponse
from harness.waiting import eventually
from story import story

APP = """
import os, time
def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        open("entered", "w").close()
        try:
            for _ in range(300):
                time.sleep(0.1)
        finally:
            with open("said", "a") as file:
                file.write("app is interrupted\\n")
    start_response("201 Done", [("Content-Length", "2"), ("X-Pid", str(os.getpid()))])
    return [b"ok"]
"""
HOOKS = """
import os
def says(name, *about):
    with open("said", "a") as file:
        file.write(" ".join(map(str, [name, *about])) + "\\n")
def of_server(server):
    return len(server.WORKERS), server.num_workers, server.worker_age, server.proc_name, server.app.cfg is server.cfg, server.cfg.workers, server.cfg.bind, server.cfg.threads
def of_worker(worker):
    return worker.age, worker.nr, worker.alive, worker.booted, worker.aborted, worker.timeout, worker.max_requests, len(worker.sockets), worker.cfg.timeout
def on_starting(server): says("on_starting", server.pid == os.getpid() or server.pid == os.getppid(), server.address, server.LISTENERS, *of_server(server))
def when_ready(server): says("when_ready", [str(one).startswith("http://127.0.0.1:") for one in server.LISTENERS], *of_server(server))
def nworkers_changed(server, new, old): says("nworkers_changed", new, old, server.num_workers)
def on_reload(server): says("on_reload", *of_server(server))
def pre_fork(server, worker): says("pre_fork", worker.pid, str(worker), worker.ppid == server.pid, *of_worker(worker))
def post_fork(server, worker): says("post_fork", worker.pid == os.getpid(), worker.ppid == os.getppid() == server.pid, worker.app is not None, server.worker_age, *of_worker(worker))
def post_worker_init(worker): says("post_worker_init", callable(worker.wsgi), worker.app.wsgi() is worker.wsgi, *of_worker(worker))
def pre_request(worker, req):
    req.seen = True
    says("pre_request", req.method, req.path, req.uri, req.query, req.version, req.scheme, req.should_close(), sorted(req.headers), *of_worker(worker))
def post_request(worker, req, environ, resp):
    if req.path != "/slow":
        says("post_request", req.seen, environ["PATH_INFO"], resp.status, resp.status_code, resp.sent, resp.response_length, resp.chunked, sorted(n for n, _ in resp.headers), worker.nr)
def worker_int(worker): says("worker_int", *of_worker(worker))
def worker_abort(worker): says("worker_abort", worker.alive, worker.nr)
def worker_exit(server, worker): says("worker_exit", worker.pid == os.getpid(), *of_worker(worker))
def child_exit(server, worker): says("child_exit", worker.age, worker.pid in server.WORKERS, len(server.WORKERS))
def on_exit(server): says("on_exit", len(server.WORKERS))
"""


def _said(subject, name=""):
    path = subject.directory / "said"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line for line in lines if line.startswith(name)]


def _serve(subject, *words):
    subject.write(APP)
    subject.write(HOOKS, "hooks.py")
    server = subject.start("app:app", "-c", "hooks.py", *words)
    eventually(lambda: _said(subject, "post_worker_init"), "a worker has booted")
    return server


def _facts(subject):
    """Each hook's own story: those of master and workers run side by side."""
    names = dict.fromkeys(line.split(" ", 1)[0] for line in _said(subject))
    return {name: _said(subject, f"{name} ") for name in names}


def _slow_request(subject, server):
    outcome = []

    def ask():
        try:
            outcome.append(server.get("/slow").status)
        except (OSError, AssertionError, Cut, NoResponse):
            outcome.append("cut")

    thread = threading.Thread(target=ask)
    thread.start()
    eventually((subject.directory / "entered").exists, "the request is in the app")
    return thread, outcome


@story
def hooks_of_a_server_that_lives_and_stops(subject):
    server = _serve(subject, "-w", "1", "--max-requests", "100", "-t", "40")
    server.get("/a/b?x=1")
    server.get("/c")
    server.terminate()
    server.wait_exit()
    return _facts(subject)


@story
def hooks_of_another_worker(subject):
    server = _serve(subject, "-w", "1")
    server.signal(signal.SIGTTIN)
    server.wait_answers(2)
    server.signal(signal.SIGTTOU)
    eventually(lambda: _said(subject, "child_exit"), "one of them has gone")
    facts = _facts(subject)
    # Which one goes is the server's choice.
    return {"child_exit": len(facts["child_exit"]), **{name: facts[name] for name in ("nworkers_changed", "pre_fork", "post_fork", "post_worker_init")}}


@story
def hooks_of_a_reload(subject):
    server = _serve(subject, "-w", "1")
    server.signal(signal.SIGHUP)
    eventually(lambda: _said(subject, "child_exit"), "the old worker has gone")
    facts = _facts(subject)
    return {name: facts[name] for name in ("on_reload", "nworkers_changed", "post_fork", "worker_exit")}


@story
def hooks_of_a_fast_stop(subject):
    facts = {}
    for name in ("SIGINT", "SIGQUIT"):
        server = _serve(subject, "-w", "1")
        thread, outcome = _slow_request(subject, server)
        server.signal(getattr(signal, name))
        facts[f"{name}: exit code"] = server.wait_exit()
        thread.join()
        facts[f"{name}: request"] = outcome
        said = _said(subject)
        # In its order: the hook sees what is about to be interrupted.
        facts[f"{name}: order"] = [line for line in said if line.startswith(("worker_int", "app is", "worker_exit"))]
        (subject.directory / "said").unlink()
        (subject.directory / "entered").unlink()
    return facts


@story
def hooks_of_a_worker_that_is_signalled(subject):
    facts = {}
    for name in ("SIGINT", "SIGQUIT", "SIGTERM", "SIGABRT", "SIGKILL"):
        server = _serve(subject, "-w", "1")
        server.wait_serving()
        (worker,) = server.workers()
        os.kill(worker, getattr(signal, name))
        eventually(lambda: len(_said(subject, "post_worker_init")) == 2, "another worker has booted")
        eventually(lambda: _said(subject, "child_exit"), "child_exit")
        said = _facts(subject)
        facts.update({f"{name}: {hook}": said.get(hook) for hook in ("worker_int", "worker_abort", "worker_exit")})
        facts[f"{name}: child_exit"] = [line.split()[1] for line in said["child_exit"]]
        server.terminate()
        server.wait_exit()
        (subject.directory / "said").unlink()
    return facts


@story
def hooks_of_a_worker_that_hangs(subject):
    server = _serve(subject, "-w", "1", "-t", "1")
    thread, outcome = _slow_request(subject, server)
    eventually(lambda: len(_said(subject, "post_worker_init")) == 2, "another worker has booted")
    # rgun's boots while the other one ends.
    eventually(lambda: _said(subject, "worker_exit"), "the one that hung has ended")
    thread.join()
    facts = _facts(subject)
    return {"request": outcome, **{name: facts.get(name) for name in ("worker_abort", "app", "worker_exit")}}

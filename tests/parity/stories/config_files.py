"""Configuration files as projects have them."""

import os
import re
import shutil
import signal
import socket
import time
from pathlib import Path

from harness.waiting import NeverHappened, eventually
from raw import ask, head
from story import story

CONFIGS = Path(__file__).parent.parent / "configs"
HELLO = """
import logging, os
log = logging.getLogger("mysite")
def app(environ, start_response):
    log.warning("asked for %s", environ["PATH_INFO"])
    body = ("%s %s" % (os.environ.get("MYSITE"), environ["wsgi.url_scheme"])).encode()
    start_response("200 OK", [("Content-Length", str(len(body))), ("X-Pid", str(os.getpid()))])
    return [body]
"""


def _start(subject, name, *words, app=HELLO, found=False, **environment):
    subject.write(app)
    if found:
        shutil.copy(CONFIGS / name, subject.directory / "gunicorn.conf.py")
    server = subject.start(*words, *([] if found else ["-c", CONFIGS / name]), "app:app", bind=environment.pop("bind", None), env=environment)
    server.wait_serving()
    return server


def happens(condition, timeout=5.0):
    """Whether it becomes true in time: a fact, not a condition of the story."""
    try:
        return bool(eventually(condition, "", timeout=timeout))
    except NeverHappened:
        return False


@story
def one_for_django(subject):
    facts = {}
    for found in (False, True):
        server = _start(subject, "django.conf.py", found=found)
        name = "found" if found else "named"
        facts[f"{name}: workers"] = len(server.wait_answers(min(os.cpu_count(), 2)))
        answer = ask(server, head("GET /a HTTP/1.1", "Host: a", "X-Forwarded-Proto: https"))
        facts[f"{name}: answer"] = answer.text
        facts[f"{name}: access line"] = server.log.wait(r'^127\.0\.0\.1 "GET /a HTTP/1\.1" .*').string
        server.terminate()
        facts[f"{name}: exit code"] = server.wait_exit()
        text = server.log.wait_end()
        for hook in ("when_ready", "post_fork age=1", "post_fork age=2", "worker_exit", "on_exit"):
            facts[f"{name}: hook {hook}"] = len(re.findall(rf"\[INFO\] hook: {hook}$", text, re.M))
    return facts


@story
def the_command_line_counts_more(subject):
    server = _start(subject, "django.conf.py", "-w", "1", "--access-logformat", "%(m)s %(U)s", bind="127.0.0.1:0", GUNICORN_CMD_ARGS="--workers 3 --env MYSITE=from-the-variable")
    facts = {"workers": len(server.wait_workers(1)), "answer": server.get("/b").text}
    facts["access line"] = server.log.wait(r"^GET /b$").string
    return facts


@story
def one_with_prometheus_hooks(subject):
    app = """
import os
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest, multiprocess
ASKED = Counter("asked", "Requests")
LIVE = Gauge("live", "Workers that live", multiprocess_mode="livesum")
LIVE.set(1)
def app(environ, start_response):
    ASKED.inc()
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    body = generate_latest(registry)
    start_response("200 OK", [("Content-Length", str(len(body))), ("X-Pid", str(os.getpid()))])
    return [body]
"""
    place = subject.directory / "metrics"
    place.mkdir()
    server = _start(subject, "prometheus.conf.py", app=app, bind="127.0.0.1:0", PROMETHEUS_MULTIPROC_DIR=str(place))
    before = server.wait_answers(2)
    eventually(lambda: "live 2.0" in server.get().text, "both workers count")
    os.kill(before[0], signal.SIGKILL)
    eventually(lambda: before[0] not in server.workers() and len(server.workers()) == 2, "two workers run again")
    called = happens(lambda: server.log.find(rf"\[INFO\] hook: child_exit {before[0]}$"))
    return {
        "child_exit is called": called, "the dead one does not count, the new one does": happens(lambda: "live 2.0" in server.get().text),
        "files of the dead": [path.name for path in place.glob(f"gauge_live*_{before[0]}.db")],
    }


@story
def one_with_a_logging_dictionary(subject):
    server = _start(subject, "dictconfig.conf.py", "--access-logfile", "-", bind="127.0.0.1:0")
    server.get("/logged")
    return {
        "the app's logger has its form": happens(lambda: server.log.find(r"^DICT mysite WARNING asked for /logged$")),
        "the access log has its form": happens(lambda: server.log.find(r'^DICT gunicorn\.access INFO 127\.0\.0\.1 - - \[.*\] "GET /logged HTTP/1\.1" 200')),
        "the request is logged": happens(lambda: server.log.find(r'"GET /logged HTTP/1\.1" 200')),
        "the error log has its form": happens(lambda: server.log.find(r"^DICT gunicorn\.error INFO ")),
    }


@story
def one_with_statsd(subject):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(0.2)
        server = _start(subject, "statsd.conf.py", bind="127.0.0.1:0", STATSD=f"127.0.0.1:{listener.getsockname()[1]}")
        server.get("/counted")
        wanted = {"mysite.gunicorn.requests", "mysite.gunicorn.request.duration", "mysite.gunicorn.request.status.200", "mysite.gunicorn.workers"}
        seen, until = {}, time.monotonic() + 10
        while time.monotonic() < until and not wanted <= set(seen):
            try:
                for line in listener.recv(65536).decode().splitlines():
                    name, _, value = line.partition(":")
                    seen[name] = re.sub(r"\d+(\.\d+)?", "N", value, count=1)
            except socket.timeout:
                continue
    return {name: seen.get(name) for name in sorted(wanted)}

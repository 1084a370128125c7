"""Whole deployments, as they are published: the command line, the file, the environment."""

import re
import signal

from harness.waiting import eventually
from story import story
from stories.config_files import CONFIGS, HELLO, happens

ASGI = """
import os
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4"), (b"x-pid", b"%d" % os.getpid())]})
    await send({"type": "http.response.body", "body": b"asgi"})
"""


def _life(server, workers):
    """Serves with so many workers, reloads, stops."""
    before = server.wait_answers(workers)
    facts = {"answer": server.get("/a").text}
    server.signal(signal.SIGHUP)
    eventually(lambda: not set(before) & set(server.workers()) and len(server.workers()) == workers, "other workers run")
    facts["answer after HUP"] = server.wait_serving().text
    server.terminate()
    facts["exit code"] = server.wait_exit()
    server.log.wait_end()
    return facts


def _hooks(server):
    """The lines that hooks have written, and how often."""
    said = re.findall(r"\[(\w+)\] (hook: .*)$", server.log.text(), re.M)
    return {f"{level} {text}": said.count((level, text)) for level, text in sorted(set(said))}


@story
def a_file_with_every_setting(subject):
    subject.write(HELLO)
    server = subject.start("app:app", "-c", CONFIGS / "everything.conf.py", bind=None)
    facts = _life(server, 2)
    facts["requests are logged"] = bool(re.search(r"^127\.0\.0\.1 GET /a 200$", server.log.text(), re.M))
    return {**facts, **_hooks(server)}


@story
def a_file_with_every_setting_and_an_interrupt(subject):
    subject.write(HELLO)
    server = subject.start("app:app", "-c", CONFIGS / "everything.conf.py", bind=None)
    server.wait_answers(2)
    server.signal(signal.SIGINT)
    facts = {"exit code": server.wait_exit()}
    server.log.wait_end()
    return {**facts, **_hooks(server)}


@story
def an_image_that_is_told_by_its_environment(subject):
    subject.write("", "app/__init__.py")
    subject.write(ASGI, "app/main.py")
    server = subject.start("-c", CONFIGS / "container.conf.py", "app.main:app", bind=None, env={"HOST": "127.0.0.1", "PORT": "0", "WEB_CONCURRENCY": "2"})
    facts = _life(server, 2)
    facts["the file is heard"] = bool(server.log.find(r'^settings \{"workers": 2, "loglevel": "info", "timeout": 120\}$'))
    return facts


@story
def a_procfile(subject):
    """The platform gives the port and the number of workers."""
    subject.write("", "mysite/__init__.py")
    subject.write(HELLO.replace("def app", "def application"), "mysite/wsgi.py")
    server = subject.start("mysite.wsgi", "--log-file", "-", bind=None, env={"PORT": "0", "WEB_CONCURRENCY": "2", "FORWARDED_ALLOW_IPS": "*"})
    server._port = int(server.log.wait(r"http://0\.0\.0\.0:(\d+)").group(1))
    return _life(server, 2)


@story
def a_start_script_whose_last_worker_class_counts(subject):
    subject.write(HELLO + "\ndef create_app(name, debug=False):\n    os.environ['MYSITE'] = '%s %s' % (name, debug)\n    return app\n")
    words = ["--access-logfile", "-", "--error-logfile", "-", "--workers", "2", "-k", "gevent", "--worker-connections", "1000", "--worker-class", "gthread"]
    words += ["--threads", "20", "--timeout", "60", "--keep-alive", "2", "--max-requests", "0", "--max-requests-jitter", "0", "--limit-request-line", "0"]
    server = subject.start(*words, "--limit-request-field_size", "0", "app:create_app('shop', debug=True)")
    return _life(server, 2)


@story
def loggers_that_are_filtered(subject):
    subject.write(HELLO)
    server = subject.start("app:app", "-c", CONFIGS / "loggers.conf.py")
    server.wait_serving()
    for path in ("/healthz", "/shown"):
        server.get(path)
    return {
        "others are logged": happens(lambda: server.log.find('"GET /shown')), "probes are not": not server.log.find('"GET /healthz'),
        "the error log by its name": len(server.log.find(r"^\[.*\] \[\d+\] \[INFO\] by its name$")),
    }


@story
def what_the_app_does_to_the_loggers(subject):
    """As its own start-up code does it, in settings or in a factory."""
    changes = {
        "filter": "access.addFilter(lambda record: '/hidden' not in record.getMessage())",
        "formatter": "access.handlers[0].setFormatter(logging.Formatter('F|%(message)s'))",
        "handler": "own = logging.StreamHandler(); own.setFormatter(logging.Formatter('H|%(message)s')); access.handlers = [own]",
        "level": "access.setLevel(logging.WARNING)",
    }
    facts = {}
    for name, change in changes.items():
        subject.write(f"import logging\naccess = logging.getLogger('gunicorn.access')\n{change}\n" + HELLO)
        server = subject.start("app:app", "--access-logfile", "-")
        server.wait_serving("/first")
        for path in ("/hidden", "/shown"):
            server.get(path)
        server.terminate()
        server.wait_exit()
        text = server.log.wait_end()
        for path in ("/hidden", "/shown"):
            facts[f"{name}: {path}"] = re.findall(rf'^(.*)127\.0\.0\.1 .*"GET {path} HTTP', text, re.M)
    return facts


@story
def apps_that_log_to_uvicorns_loggers(subject):
    subject.write("import logging\nlogging.getLogger('uvicorn.error').info('by way of uvicorn')\n" + ASGI)
    server = subject.start("app:app", "-k", "uvicorn_worker.UvicornWorker")
    server.wait_serving()
    return {"it is in the log": len(server.log.find(r"^\[.*\] \[\d+\] \[INFO\] by way of uvicorn$"))}

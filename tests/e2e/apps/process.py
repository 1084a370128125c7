"""Reports facts of the process that it runs in."""

import json
import multiprocessing
import os
import signal
import site
import sys
import threading

AT_IMPORT = {"thread": threading.current_thread().name, "pid": os.getpid()}


def spawned():
    """What a child of this app finds: it must be able to import what the app can."""
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    child = context.Process(target=report, args=(queue,))
    child.start()
    result = queue.get()
    child.join()
    return result


def report(queue):
    queue.put({"pid": os.getpid(), "prefix": sys.prefix, "no_site": sys.flags.no_site})


def facts():
    return {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "cwd": os.getcwd(),
        "argv0": sys.argv[0],
        "executable": sys.executable,
        "prefix": sys.prefix,
        "version": list(sys.version_info[:2]),
        "path": sys.path,
        "main": getattr(sys.modules["__main__"], "__file__", None),
        "user_site": site.ENABLE_USER_SITE,
        "import_thread": AT_IMPORT["thread"],
        "main_thread": threading.current_thread() is threading.main_thread(),
        "threads": [thread.name for thread in threading.enumerate()],
        "blocked": sorted(int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "sigpipe_ignored": signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN,
        "sigint_default": signal.getsignal(signal.SIGINT) in (signal.default_int_handler, signal.SIG_DFL),
        "environment": dict(os.environ),
    }


async def app(scope, receive, send):
    assert scope["type"] == "http"
    answer = spawned() if scope["path"] == "/spawned" else facts()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

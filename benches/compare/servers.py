"""The servers, as data: how each is started with one worker, for which interfaces, with how many threads."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Server:
    """`command` is filled in with `bin` (the environment's scripts), `app`, `port`, `threads`, `rgun` and `bind`: where it
    listens, in its own words, on a port (`tcp`) or on a unix socket (`unix`)."""

    name: str
    interface: str
    command: str
    distributions: tuple[str, ...]
    #: Counts of application threads it can be run with; ASGI servers have one event loop.
    threads: tuple[int, ...] = (1,)
    #: Closes after each response, also without a word; then every request gets a connection of its own.
    keeps_alive: bool = True
    #: Workloads that it cannot run, by a fault of its own that its note names.
    without: tuple[str, ...] = ()
    note: str = ""
    tcp: str = "-b 127.0.0.1:{port}"
    unix: str = "-b unix:{socket}"
    #: Where it listens with TLS; empty: it is not in those rows.
    secure: str = ""
    #: It is in no others.
    only_secure: bool = False


GUNICORN = "{bin}/gunicorn {app} {bind} -w 1 --log-level warning "
UWSGI = (
    "{bin}/uwsgi --module {app} --master --processes 1 --threads {threads} "
    "--enable-threads --need-app --die-on-term --disable-logging --listen 1024 "
)

HOST_AND_PORT = {"tcp": "--host 127.0.0.1 --port {port}", "unix": "--uds {socket}"}
CERTFILE = "-b 127.0.0.1:{port} --certfile {certificate} --keyfile {key}"
# It sees by itself which interface the app has. Its own command loads an app of the working directory without entering the module in
# sys.modules, and an app that is its own URLconf is then loaded twice: so it is started as its documentation shows for a script.
FASTPYSGI = (
    "{python} -c \"import sys, importlib, fastpysgi; module, name = sys.argv[1].split(':'); fastpysgi.run(getattr(importlib.import_module("
    "module), name), host='127.0.0.1', port=int(sys.argv[2]), loglevel=3)\" {app} {bind}"
)

SERVERS = (
    Server(
        "rgun", "asgi", "{rgun} {app} {bind} -w 1 --log-level warning", ("rgun", "uvloop"),
        note="loop chosen by itself (uvloop is installed)", secure=CERTFILE,
    ),
    Server(
        "rgun-asyncio", "asgi", "{rgun} {app} {bind} -w 1 --log-level warning --loop asyncio", ("rgun",),
        note="only when asked for with --servers", secure=CERTFILE,
    ),
    Server(
        "granian", "asgi",
        "{bin}/granian --interface asgi {bind} --workers 1 --log-level warning --loop uvloop {app}",
        ("granian", "uvloop"), **HOST_AND_PORT,
        secure="--host 127.0.0.1 --port {port} --ssl-certificate {certificate} --ssl-keyfile {key}",
    ),
    Server(
        "uvicorn", "asgi",
        "{bin}/uvicorn {app} {bind} --loop uvloop --http httptools --no-access-log --log-level warning",
        ("uvicorn", "uvloop", "httptools", "websockets"),
        note="one process, no master", **HOST_AND_PORT,
        secure="--host 127.0.0.1 --port {port} --ssl-certfile {certificate} --ssl-keyfile {key}",
    ),
    Server(
        "hypercorn", "asgi", "{bin}/hypercorn {app} {bind} -k uvloop --workers 1 --log-level warning", ("hypercorn", "uvloop"),
        secure=CERTFILE, only_secure=True, without=("tls-hello", "h2-upload"),
        note="only in rows with TLS; 0.18 answers neither h2load's HTTP/1.1 nor 16 uploads in its time",
    ),
    Server("nginx", "asgi", "{nginx} {bind}", (), secure="-c {nginx_configuration}", only_secure=True,
           note="without an app: the limit"),
    Server(
        "gunicorn-uvicorn", "asgi", GUNICORN + "-k uvicorn_worker.UvicornWorker",
        ("gunicorn", "uvicorn-worker", "uvicorn", "uvloop", "httptools"),
    ),
    Server(
        "fastpysgi", "asgi", FASTPYSGI, ("fastpysgi",), without=("stream",), tcp="{port}",
        note="one process, no master; no unix socket; 0.6 does not complete a response in 50 chunks",
    ),
    Server("gunicorn-asgi", "asgi", GUNICORN + "-k asgi", ("gunicorn", "uvloop"), note="its parser in Python"),
    Server(
        "rgun", "wsgi", "{rgun} {app} {bind} -w 1 --threads {threads} --log-level warning", ("rgun",),
        threads=(1, 4),
    ),
    Server(
        "granian", "wsgi",
        "{bin}/granian --interface wsgi {bind} --workers 1 --blocking-threads {threads} "
        "--log-level warning {app}",
        ("granian",), threads=(1, 4), **HOST_AND_PORT,
    ),
    Server("fastpysgi", "wsgi", FASTPYSGI, ("fastpysgi",), note="one process, no master; no unix socket", tcp="{port}"),
    Server("gunicorn-sync", "wsgi", GUNICORN + "-k sync", ("gunicorn",), keeps_alive=False),
    Server("gunicorn-gthread", "wsgi", GUNICORN + "-k gthread --threads {threads}", ("gunicorn",), threads=(1, 4)),
    Server(
        "uwsgi", "wsgi", UWSGI + "{bind}", ("uwsgi",), threads=(1, 4), keeps_alive=False,
        tcp="--http-socket 127.0.0.1:{port}", unix="--http-socket {socket} --chmod-socket=666",
        note="its --http11-socket keeps a thread for each idle connection, so that others starve",
    ),
    Server(
        "uwsgi-router", "wsgi", UWSGI + "--http 127.0.0.1:{port} --http-keepalive --http-auto-chunked "
        "--tcp-nodelay --socket 127.0.0.1:0", ("uwsgi",),
        threads=(1, 4), note="its HTTP router in front; only when asked for with --servers",
    ),
)

#: Run only when named: variants of servers that are in the table anyway.
ON_REQUEST = ("rgun-asyncio", "uwsgi-router")


def selected(names: list[str] | None, adhoc: list[str]) -> list[Server]:
    """The servers asked for, in the table's order, and those given as `name=command` for every interface."""
    extra = []
    for given in adhoc:
        name, found, command = given.partition("=")
        if not found:
            raise ValueError(f"--server {given!r}: expected NAME=COMMAND with {{app}} and {{port}} in it")
        base = Server(name, "asgi", command, ())
        extra += [base, replace(base, interface="wsgi", threads=(1, 4))]
    known = {server.name for server in (*SERVERS, *extra)}
    if names and (unknown := set(names) - known):
        raise ValueError(f"no such server: {', '.join(sorted(unknown))} (there are {', '.join(sorted(known))})")
    chosen = [s for s in SERVERS if (s.name in names if names else s.name not in ON_REQUEST)]
    return chosen + extra

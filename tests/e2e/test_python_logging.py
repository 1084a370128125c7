"""Python's logging in the workers: gunicorn's loggers, configurations, what the app prints."""

import json
import os
import re
import signal
import subprocess

import pytest

from harness.apps import PRINTS
from harness.waiting import eventually

# As Flask's documentation has it.
BORROWS = '''
import logging
logger = logging.getLogger("shop")
logger.handlers = logging.getLogger("gunicorn.error").handlers
logger.setLevel(logging.getLogger("gunicorn.error").level)

def app(environ, start_response):
    if environ["PATH_INFO"] == "/fails":
        try:
            1 / 0
        except ZeroDivisionError:
            logger.exception("caught %s", "it")
    logging.getLogger("gunicorn.error").warning("from %s", environ["PATH_INFO"])
    logger.debug("not wanted")
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
'''


INI = """
[loggers]
keys=root, gunicorn.error, gunicorn.access
[handlers]
keys=root, error, access
[formatters]
keys=plain
[formatter_plain]
format=%(name)s|%(levelname)s|%(message)s
[handler_root]
class=StreamHandler
formatter=plain
args=(sys.stdout,)
[handler_error]
class=FileHandler
formatter=plain
args=("%(here)s/error.log",)
[handler_access]
class=FileHandler
formatter=plain
args=("%(here)s/access.log",)
[logger_root]
level=INFO
handlers=root
[logger_gunicorn.error]
level=INFO
handlers=error
propagate=0
qualname=gunicorn.error
[logger_gunicorn.access]
level=INFO
handlers=access
propagate=0
qualname=gunicorn.access
"""


@pytest.fixture
def start(launch, app):
    def start(text, *options):
        app.path.joinpath("app.py").write_text(text)
        server = launch("app:app", *options)
        server.log.wait("listening")
        return server

    return start


def contents(path):
    return path.read_text() if path.exists() else ""


def test_apps_find_gunicorns_loggers(start):
    server = start(BORROWS)
    assert server.get("/fails").status == 200
    line = server.log.wait(r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[(\d+)\] \[WARNING\] from /fails$")
    assert int(line.group(1)) in server.ready_pids()
    server.log.wait(r"\[ERROR\] caught it$")
    server.log.wait(r"^ZeroDivisionError: division by zero$")
    assert not server.log.find("not wanted")


def test_their_records_have_the_logs_format(start):
    server = start(BORROWS, "--log-format", "json")
    server.log.wait('"message":"worker ready"')
    address = json.loads(server.log.find('"message":"listening"')[0])["address"]
    server._port = int(address.rpartition(":")[2])
    server.get("/fails")
    record = json.loads(server.log.wait(r'^.*"message":"caught it".*$').group(0))
    assert record["level"] == "error" and record["traceback"].endswith("ZeroDivisionError: division by zero")


def test_an_ini_file(start, app):
    app.path.joinpath("logging.ini").write_text(INI)
    server = start(PRINTS, "--log-config", "logging.ini")
    server.get("/there?x")
    server.get("/fails")
    access, error = app.path / "access.log", app.path / "error.log"
    eventually(lambda: contents(access).count("\n") >= 2, "two requests")
    assert re.match(r'gunicorn\.access\|INFO\|127\.0\.0\.1 - - \[[^]]*\] "GET /there\?x HTTP/1\.1" 200 2 "-" "[^"]*"\n', contents(access))
    eventually(lambda: "ValueError: on purpose\n" in contents(error), "the traceback")
    assert 'gunicorn.error|ERROR|exception in app request="GET /fails"' in contents(error)
    assert not server.log.find("exception in app"), "as with gunicorn, its own handlers take the place of the log's"


def test_a_json_file_and_what_it_does_not_say(start, app):
    """As with gunicorn: without loggers of its own, everything goes to the console by the defaults."""
    app.path.joinpath("logging.json").write_text(json.dumps({"version": 1, "formatters": {"generic": {"format": "J|%(name)s|%(message)s"}}}))
    server = start(PRINTS, "--log-config-json", "logging.json", "--access-logfile", "own.log")
    server.get("/there")
    server.log.wait(r'^J\|gunicorn\.access\|127\.0\.0\.1 .*"GET /there')


def test_other_loggers_leave_the_servers_own_alone(start, app):
    config = {
        "version": 1, "root": {"level": "INFO", "handlers": ["file"]}, "loggers": {},
        "handlers": {"file": {"class": "logging.FileHandler", "filename": str(app.path / "app.log")}},
    }
    app.path.joinpath("logging.json").write_text(json.dumps(config))
    server = start("import logging\nlogging.getLogger('shop').info('imported')\n" + PRINTS, "--log-config-json", "logging.json", "--access-logfile", "own.log")
    server.get("/there")
    eventually(lambda: "GET /there" in contents(app.path / "own.log"), "the access log")
    assert contents(app.path / "app.log") == "imported\n"
    server.get("/fails")
    server.log.wait(r"\[ERROR\] exception in app")


def test_formatters_find_gunicorns_atoms(start, app):
    config = {
        "version": 1, "root": {"level": "INFO", "handlers": []}, "loggers": {"gunicorn.access": {"handlers": ["file"], "propagate": False}},
        "formatters": {"own": {"()": "own.Formatter"}},
        "handlers": {"file": {"class": "logging.FileHandler", "filename": str(app.path / "access.log"), "formatter": "own"}},
    }
    app.path.joinpath("own.py").write_text("import logging\nclass Formatter(logging.Formatter):\n    def format(self, record):\n        a = record.args\n        return '%s %s %s %d' % (a['m'], a['U'], a['s'], a['B'])\n")
    app.path.joinpath("logging.json").write_text(json.dumps(config))
    server = start(PRINTS, "--log-config-json", "logging.json", "--pythonpath", str(app.path))
    server.get("/a%20b?x")
    eventually(lambda: contents(app.path / "access.log") == "GET /a b 200 2\n", "a line of the app's own making")


FIELDS = """
import logging

class Fields(logging.Formatter):
    def format(self, record):
        return "FIELDS " + "|".join(str(record.args[name]) for name in ("U", "{host}i", "{X-Token}I", "{cf-ray}i", "{content-type}o", "{X-Made}o", "{none}o", "{path_info}e", "{HTTP_X_TOKEN}e", "{wsgi.multithread}e", "{none}e", "nonsense", "{}"))
"""

LOGCONFIG = {
    "version": 1,
    "root": {"level": "INFO", "handlers": []},
    "formatters": {"fields": {"()": "fields.Fields"}},
    "handlers": {"access": {"class": "logging.StreamHandler", "formatter": "fields", "stream": "ext://sys.stdout"}},
    "loggers": {"gunicorn.access": {"level": "INFO", "handlers": ["access"], "propagate": False}},
}


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_formatters_find_every_field(launch, app, interface):
    """As with gunicorn: of the request, of the response and of the environ, in any case, and a dash for what there is not."""
    app.path.joinpath("fields.py").write_text(FIELDS)
    app.path.joinpath("log.json").write_text(json.dumps(LOGCONFIG))
    app.path.joinpath("app.py").write_text({"wsgi": """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/x"), ("X-Made", "here"), ("Content-Length", "2")])
    return [b"ok"]
""", "asgi": """
async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/x"), (b"x-made", b"here")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""}[interface])
    server = launch("app:app", "--log-config-json", "log.json", "--pythonpath", str(app.path))
    server.wait_ready()
    with server.connect() as client:
        assert client.get("/a", headers=[("X-Token", "secret")], host="site.example").status == 200
    line = server.log.wait(r"FIELDS .*").group(0)
    multithread = {"wsgi": "True", "asgi": "-"}[interface]
    assert line.replace("False", "True") == f"FIELDS /a|site.example|secret|-|text/x|here|-|/a|secret|{multithread}|-|-|-"


def test_a_dictionary_in_a_file(launch, app):
    app.path.joinpath("app.py").write_text(PRINTS)
    app.path.joinpath("rgun.toml").write_text('''
bind = "127.0.0.1:0"
[logconfig_dict]
version = 1
[logconfig_dict.root]
level = "INFO"
handlers = []
[logconfig_dict.loggers."gunicorn.access"]
handlers = ["out"]
propagate = false
[logconfig_dict.formatters.dict]
format = "D|%(message)s"
[logconfig_dict.handlers.out]
class = "logging.StreamHandler"
stream = "ext://sys.stdout"
formatter = "dict"
''')
    server = launch("app:app", bind=None)
    server.log.wait("worker ready")
    server.get("/there")
    server.log.wait(r'^D\|127\.0\.0\.1 .*"GET /there')


OBJECTS = """
import logging, sys

class Own(logging.Formatter):
    def format(self, record):
        return "F|" + super().format(record)

bind = "127.0.0.1:0"
logconfig_dict = {
    "version": 1, "disable_existing_loggers": False,
    "formatters": {"own": {"()": Own, "format": "%(name)s|%(message)s"}},
    "handlers": {"out": {"class": "logging.StreamHandler", "stream": sys.stdout, "formatter": "own"}},
    "root": {"handlers": ["out"], "level": "INFO"},
    "loggers": {name: {"handlers": ["out"], "level": "INFO", "propagate": False} for name in ("gunicorn.error", "gunicorn.access")},
}
"""


def test_a_dictionary_that_holds_objects(launch, app):
    """Classes and streams, as gunicorn.conf.py may have them."""
    app.path.joinpath("app.py").write_text("import logging\nlogging.getLogger('shop').info('imported')\n" + PRINTS)
    app.path.joinpath("gunicorn.conf.py").write_text(OBJECTS)
    server = launch("app:app", bind=None)
    server.log.wait(r"^F\|shop\|imported$")
    assert server.get("/fails").status == 500
    server.log.wait(r'^F\|gunicorn\.error\|exception in app request="GET /fails"')
    server.log.wait(r'^F\|gunicorn\.access\|127\.0\.0\.1 .*"GET /fails HTTP/1\.1" 500')


@pytest.mark.parametrize(("option", "text", "said"), [
    ("--log-config", "[loggers]\nkeys=root\n", "KeyError"),
    ("--log-config-json", "{", "JSONDecodeError"),
    ("--log-config-json", '{"version": 1, "handlers": {"x": {"class": "no.Such"}}}', "Unable to configure handler 'x'"),
])
def test_a_broken_file_is_told_as_such(launch, app, option, text, said):
    app.path.joinpath("app.py").write_text(PRINTS)
    app.path.joinpath("logging.conf").write_text(text)
    server = launch("app:app", option, "logging.conf")
    assert server.wait_exit() == 1
    assert "its settings cannot be used" in server.log.wait_end() and said in server.log.text()
    checked = launch("app:app", option, "logging.conf", "--check-config")
    assert checked.wait_exit() == 1 and said in checked.log.wait_end()


def test_a_file_that_is_not_there(launch, app):
    app.path.joinpath("app.py").write_text(PRINTS)
    server = launch("app:app", "--log-config", "no.ini")
    assert server.wait_exit() == 1
    assert "--log-config: `no.ini` does not exist" in server.log.wait_end()


def test_files_of_the_apps_handlers_follow_a_rotation(start, app):
    app.path.joinpath("logging.ini").write_text(INI)
    server = start(PRINTS, "--log-config", "logging.ini")
    access = app.path / "access.log"
    server.get("/before")
    eventually(lambda: "/before" in contents(access), "a line")
    access.rename(app.path / "access.log.1")
    server.signal(signal.SIGUSR1)
    eventually(access.exists, "the new file")
    server.get("/after")
    eventually(lambda: "/after" in contents(access), "a line in the new file")
    assert "/after" not in contents(app.path / "access.log.1")


def test_prints_go_to_the_error_log(launch, app):
    app.path.joinpath("app.py").write_text("import os, sys\n" + PRINTS.replace('print("printed")', 'print("printed"); os.write(2, b"raw\\n"); print("err", file=sys.stderr)'))
    error = app.path / "error.log"
    server = launch("app:app", "--capture-output", "--error-logfile", error, bind="unix:app.sock")
    eventually(lambda: "worker ready" in contents(error), "it is ready")
    server.get("/")
    eventually(lambda: {"printed", "raw", "err"} <= set(contents(error).splitlines()), "all that was printed")
    error.rename(app.path / "error.log.1")
    server.signal(signal.SIGUSR1)
    eventually(lambda: error.exists() and server.get("/").status == 200 and "printed" in contents(error).splitlines(), "it goes on in the new file")
    server.terminate()
    assert server.wait_exit() == 0
    assert "printed" not in server.log.wait_end()


@pytest.mark.parametrize("option", [(), ("-R",)])
def test_a_daemon_keeps_its_output_where_it_is_told_to(program, app, option):
    app.path.joinpath("app.py").write_text("import sys\nsys.stdout.write('imported\\n'); sys.stdout.flush()\n" + PRINTS)
    output = app.path / "output"
    with output.open("wb") as file:
        command = [*program, "app:app", "-b", "unix:app.sock", "--daemon", "--pid", "pid", *option]
        assert subprocess.run(command, cwd=app.path, stdin=subprocess.DEVNULL, stdout=file, stderr=file, timeout=30).returncode == 0
    pid = int((app.path / "pid").read_text())
    try:
        assert ("imported" in output.read_text()) == bool(option)
    finally:
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: not (app.path / "pid").exists(), "the daemon has ended")


# What apps do to gunicorn's loggers while they are imported; how the line of `GET /shown` then begins (None: there is none).
CHANGES = {
    "filter": ("access.addFilter(lambda record: '/hidden' not in record.getMessage())", "127.0.0.1"),
    "filter of the handler": ("access.handlers[0].addFilter(lambda record: record.args['U'] != '/hidden')", "127.0.0.1"),
    "formatter": ("access.handlers[0].setFormatter(logging.Formatter('F|%(message)s'))", "F|127.0.0.1"),
    "handler": ("own = logging.StreamHandler(); own.setFormatter(logging.Formatter('H|%(message)s')); access.handlers = [own]", "H|127.0.0.1"),
    "to the root": (
        "logging.basicConfig(format='R|%(name)s|%(message)s', level=20)\nfor name in ('gunicorn.access', 'gunicorn.error'):\n"
        "    logging.getLogger(name).handlers.clear(); logging.getLogger(name).propagate = True", "R|gunicorn.access|127.0.0.1",
    ),
    "level": ("access.setLevel(logging.WARNING)", None),
    "no handler": ("access.handlers = []", None),
}


SLOW = """
import logging, time
class Slow(logging.Formatter):
    def format(self, record):
        time.sleep(0.2)
        return "S|" + super().format(record)
logging.getLogger("gunicorn.access").handlers[0].setFormatter(Slow("%(message)s"))
"""


def test_a_slow_formatter_loses_no_line_at_the_end(start):
    """Its output for the last requests comes after the worker has stopped serving."""
    server = start(SLOW + PRINTS, "--access-logfile", "-")
    for _ in range(3):
        assert server.get("/shown").status == 200
    server.terminate()
    assert server.wait_exit() == 0
    assert len(re.findall(r"(?m)^S\|127\.0\.0\.1 .*GET /shown", server.log.wait_end())) == 3


@pytest.mark.parametrize("change", CHANGES)
def test_what_the_app_does_to_the_access_log_counts(start, change):
    text, beginning = CHANGES[change]
    server = start("import logging\naccess = logging.getLogger('gunicorn.access')\n" + text + "\n" + PRINTS, "--access-logfile", "-")
    for path in ("/hidden", "/shown", "/shown"):
        assert server.get(path).status == 200
    server.terminate()
    assert server.wait_exit() == 0
    lines = [line for line in server.log.wait_end().splitlines() if "GET /" in line]
    assert len([line for line in lines if "/shown" in line and line.startswith(beginning or "?")]) == (2 if beginning else 0), lines
    assert len([line for line in lines if "/shown" in line]) == (2 if beginning else 0), lines
    assert len([line for line in lines if "/hidden" in line]) == (0 if "filter" in change or beginning is None else 1), lines


def test_a_hook_filters_the_access_log(launch, app):
    app.path.joinpath("app.py").write_text(PRINTS)
    app.path.joinpath("gunicorn.conf.py").write_text('''
import logging
class Probes(logging.Filter):
    def filter(self, record):
        return "/hidden" not in record.getMessage()
bind, accesslog = "127.0.0.1:0", "-"
def on_starting(server):
    server.log.error_log.info("said by %s", "on_starting")
    logging.getLogger("gunicorn.access").addFilter(Probes())
def post_fork(server, worker):
    server.log.access_log.addFilter(Probes())
''')
    server = launch("app:app", bind=None)
    server.log.wait("worker ready")
    server.log.wait(r"\[INFO\] said by on_starting$")
    for path in ("/hidden", "/shown"):
        server.get(path)
    server.log.wait('^127.0.0.1 .*"GET /shown')
    assert not server.log.find("GET /hidden")


def test_apps_find_uvicorns_loggers(start):
    """As its worker for gunicorn leaves them: many an app logs there."""
    server = start("import logging\nfor name in ('uvicorn', 'uvicorn.error'):\n    logging.getLogger(name).info('by way of %s', name)\n" + PRINTS)
    server.log.wait(r"^\[.*\] \[\d+\] \[INFO\] by way of uvicorn$")
    server.log.wait(r"^\[.*\] \[\d+\] \[INFO\] by way of uvicorn\.error$")


RAISES = """
import logging
class Picky(logging.Filter):
    def filter(self, record):
        if "boom" in record.getMessage():
            raise %s("from the filter")
        return True
"""


@pytest.mark.parametrize("kind", ["ValueError", "SystemExit"])
def test_a_filter_that_raises_costs_its_record_alone(start, app, kind):
    app.write(RAISES % kind, "picky.py")
    log = app.path / "access.log"
    config = {
        "version": 1, "root": {"level": "INFO", "handlers": []}, "filters": {"picky": {"()": "picky.Picky"}},
        "handlers": {"file": {"class": "logging.FileHandler", "filename": str(log), "filters": ["picky"]}},
        "loggers": {"gunicorn.access": {"level": "INFO", "handlers": ["file"], "propagate": False}},
    }
    app.path.joinpath("logging.json").write_text(json.dumps(config))
    server = start(PRINTS, "--log-config-json", "logging.json", "--pythonpath", str(app.path))
    for path in ("/before", "/boom1", "/boom2", "/after"):
        assert server.get(path).status == 200
    eventually(lambda: "/after" in contents(log), "the record after those that were lost")
    assert re.findall(r"GET /(\w+)", contents(log)) == ["before", "after"]
    server.log.wait(r"log records lost: 1$")
    server.log.wait(rf"^{kind}: from the filter$")
    server.terminate()
    assert server.wait_exit() == 0
    assert len(re.findall(r"log records lost: 1$", server.log.wait_end(), re.M)) == 2, "the second one at the end"


def test_a_file_that_cannot_be_reopened_leaves_the_others(start, app):
    """The handlers are a set: whichever comes first, the others follow the rotation."""
    names = [f"{n}.log" for n in range(4)]
    files = [*names, *(f"gone/{name}" for name in names)]
    config = {
        "version": 1, "root": {"level": "INFO", "handlers": []},
        "handlers": {name: {"class": "logging.FileHandler", "filename": str(app.path / name)} for name in files},
        "loggers": {"gunicorn.access": {"level": "INFO", "handlers": files, "propagate": False}},
    }
    app.path.joinpath("logging.json").write_text(json.dumps(config))
    app.path.joinpath("gone").mkdir()
    server = start(PRINTS, "--log-config-json", "logging.json")
    server.wait_ready()
    for name in (*names, "gone"):
        app.path.joinpath(name).rename(app.path / f"{name}.1")
    server.signal(signal.SIGUSR1)
    server.log.wait("files of Python's logging not reopened")
    eventually(lambda: all(app.path.joinpath(name).exists() for name in names), "the new files")

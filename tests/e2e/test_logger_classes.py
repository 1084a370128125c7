"""Classes named by --logger-class."""

import socket

import pytest

from harness.apps import PRINTS


@pytest.mark.parametrize(("name", "fine"), [("gunicorn.glogging.Logger", True), ("gunicorn.instrument.statsd.Statsd", True), ("my.Logger", False)])
def test_logger_classes(launch, app, name, fine):
    app.path.joinpath("app.py").write_text(PRINTS)
    server = launch("app:app", "--logger-class", name)
    if fine:
        server.log.wait("worker ready")
    else:
        assert server.wait_exit() == 1
        assert "No module named 'my'" in server.log.wait_end()


SHAPED = """
from gunicorn.glogging import Logger
class Base(Logger):
    datefmt = "%Y|"
    error_fmt = "never"
    LIMIT = 3
class Shaped(Base):
    # Only attributes that set the form of lines.
    error_fmt = "%(asctime)s%(levelname)-8s%(name)s %(process)d: %(message)s"
    access_fmt = "access: %(message)s"
    def helper(self): pass
"""


@pytest.mark.parametrize("how", ["option", "variable", "text", "class"])
def test_a_logger_class_that_only_says_how_lines_look(launch, app, how):
    app.path.joinpath("app.py").write_text(PRINTS)
    app.write(SHAPED, "site_logs.py")
    name, options, variables = "site_logs.Shaped", [], {}
    if how == "option":
        options = ["--logger-class", name]
    elif how == "variable":
        variables = {"GUNICORN_CMD_ARGS": f"--logger-class {name}"}
    else:
        app.write("logger_class = 'site_logs.Shaped'\n" if how == "text" else "from site_logs import Shaped\nlogger_class = Shaped\n", "gunicorn.conf.py")
    server = launch("app:app", "--access-logfile", "-", "--access-logformat", "%(m)s %(U)s", *options, env=variables, bind="unix:app.sock")
    server.log.wait(r"^\d{4}\|INFO    gunicorn\.error \d+: listening address=")
    server.log.wait("worker ready")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(app.path / "app.sock"))
        client.sendall(b"GET /x HTTP/1.0\r\n\r\n")
        server.log.wait("^access: GET /x$")
    server.terminate()
    assert server.wait_exit() == 0
    assert not [line for line in server.log.wait_end().splitlines() if line.startswith("[")]


@pytest.mark.parametrize(("body", "methods", "way"), [
    ("def setup(self, cfg): super().setup(cfg)", "setup", "--log-config"), ("def now(self): return ''", "now", "json"),
    ("def access(self, resp, req, environ, request_time): pass", "access", "--access-log-exclude"),
    ("def atoms(self, *all): return {}", "atoms", "--access-log-format"), ("atoms_wrapper_class = dict", "atoms_wrapper_class", "--access-log-format"),
    ("def __init__(self, cfg): super().__init__(cfg)\n    def info(self, *all): pass", "__init__, info", "--log-level"),
    ("error_fmt = '%(lineno)d'", "error_fmt", "asctime"),
])
def test_a_logger_class_that_does_more_is_refused_with_the_way_out(launch, app, body, methods, way):
    app.path.joinpath("app.py").write_text(PRINTS)
    app.write(f"from gunicorn import glogging\nclass Own(glogging.Logger):\n    {body}\nlogger_class = Own\n", "gunicorn.conf.py")
    server = launch("app:app")
    assert server.wait_exit() == 1
    text = server.log.wait_end()
    assert methods in text and "Own" in text and way in text.split("hint:")[1], text

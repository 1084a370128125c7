"""`python manage.py rgun` in the example's project."""

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from harness.place import SITE
from harness.server import Server
from harness.waiting import eventually


@pytest.fixture
def project(tmp_path, program, pytestconfig, site):
    """A copy of the example, which has the command installed: `project("8000", DEBUG="1")`."""
    if pytestconfig.getoption("--binary") == "embedded":
        pytest.skip("about the wheel")
    place = tmp_path / "site"
    shutil.copytree(SITE, place, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3", "staticfiles", "media"))
    running = []

    def start(*words, workers=1, **environment):
        python = str(Path(program[0]).with_name("python"))
        environment = {**site, "DEBUG": "1", "PYTHONDONTWRITEBYTECODE": "", **environment}
        running.append(Server([python, "manage.py", "rgun"], place, None, "127.0.0.1:0", *words, bind=None, env=environment))
        if workers:
            running[-1].wait_ready(workers, timeout=30)
        return running[-1]

    start.place, start.environment = place, site
    yield start
    for server in running:
        server.end()


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.wheel
@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_serves_the_project_with_its_static_files(project, interface):
    server = project("--interface", interface)
    assert "Django on rgun" in server.get("/").text
    assert server.get("/healthz").text == "ok"
    assert server.get("/static/pages/site.css").status == 200
    assert server.get("/static/admin/css/base.css").status == 200, "as the staticfiles app finds it, without collectstatic"
    server.log.wait('"GET /healthz HTTP/1.1" 200')
    server.terminate()
    assert server.wait_exit() == 0


@pytest.mark.wheel
def test_a_saved_view_and_template_are_served(project):
    server = project()
    views = project.place / "pages" / "views.py"
    edit(views, '"ok"', '"saved"')
    eventually(lambda: server.get("/healthz").text == "saved", "the new view is served")
    # Imported by the first request only, were there no checks: the old code must not go.
    mark = server.log.mark()
    good = views.read_text()
    views.write_text(good + "\ndef broken(:\n")
    server.log.wait("SyntaxError", after=mark)
    assert server.get("/healthz").text == "saved"
    views.write_text(good)
    edit(project.place / "pages" / "templates" / "pages" / "base.html", "</body>", "<!-- saved --></body>")
    eventually(lambda: "<!-- saved -->" in server.get("/").text, "the new template is served")


@pytest.mark.parametrize("reloads", [True, False])
def test_prints_what_runserver_prints(project, reloads):
    import django

    server = project(*([] if reloads else ["--noreload"]))
    text = server.log.text().replace("\r", "")
    shown = [r"Performing system checks\.\.\.\n\nSystem check identified no issues \(0 silenced\)\.\n", r"(\[.*\n)*\w+ \d\d, \d{4} - \d\d:\d\d:\d\d\n",
             rf"Django version {re.escape(django.get_version())}, using settings 'config\.settings'\n",
             r"Starting development server at http://127\.0\.0\.1:[1-9]\d*/\nQuit the server with CONTROL-C\.\n"]
    if reloads:
        shown.insert(0, r"Watching for file changes with rgun\n")
    assert re.search("".join(shown), text), text


def test_what_cannot_be_bound_is_not_announced(project):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = project("-b", f"127.0.0.1:{taken.getsockname()[1]}", workers=0)
        assert server.wait_exit() == 1
    text = server.log.wait_end()
    assert "address already in use" in text and "Starting development server" not in text


def test_without_debug_it_is_a_plain_server(project):
    server = project("--workers", "2", "--insecure", DEBUG="", workers=2)
    assert not server.log.find("watching files") and not server.log.find("(?i)development server")
    assert server.get("/healthz").text == "ok"
    assert not server.log.find("GET /healthz"), "no access log unless asked for"


def test_noreload_and_options_of_rgun(project):
    server = project("--noreload", "-w", "2", "--ready-path", "/healthz", "-e", "A=1", "--nostatic", workers=2)
    assert not server.log.find("watching files")
    server.log.wait("System check identified no issues")


def test_production_files_are_for_production(project):
    (project.place / "gunicorn.conf.py").write_text("workers = 3\nbind = ['127.0.0.1:1']\n")
    server = project()
    server.log.wait("all workers ready workers=1")


def test_what_runserver_refuses(project):
    server = project("--interface", "asgi", ALLOWED_HOSTS=" ", DEBUG="", workers=0)
    assert server.wait_exit() == 1
    server.log.wait("You must set settings.ALLOWED_HOSTS")
    for address in ("nonsense", "127.0.0.1:99999"):
        done = ran(project, server.command[0], address)
        assert done.returncode == 1 and "is not a valid port number" in done.stderr and not done.stdout


def ran(project, python, *words):
    environment = {**os.environ, **project.environment, "DEBUG": "1"}
    return subprocess.run([python, "manage.py", "rgun", *words], cwd=project.place, capture_output=True, text=True, env=environment)


def test_the_configuration_is_printed_alone(project, program):
    import tomllib

    done = ran(project, str(Path(program[0]).with_name("python")), "--print-config", "-w", "3")
    assert done.returncode == 0 and tomllib.loads(done.stdout)["workers"] == 3, done.stdout


@pytest.mark.wheel
def test_a_traceback_has_no_frames_of_the_server(project):
    (project.place / "config" / "wsgi.py").write_text("def broken(:\n")
    server = project("--noreload", "--skip-checks", "--interface", "wsgi", workers=0)
    assert server.wait_exit() == 3
    text = server.log.wait_end()
    assert "    def broken(:" in text and "served.py" not in text and "importlib" not in text, text

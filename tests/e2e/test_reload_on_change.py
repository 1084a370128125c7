"""--reload: a save is a reload, broken code waits for the next save, without any other action."""

import os
import shutil
import signal
import time

import pytest

from harness import processes
from harness.apps import IMPORT_ERROR, SYNTAX_ERROR, version
from harness.as_wsgi import as_wsgi
from harness.waiting import eventually, stays

# What it answers is in a second file.
IMPORTS = version("unused").replace("async def app", "import text\n\nasync def app").replace("'unused'.encode()", "text.ANSWER")
IMPORTS_LATE = version("unused").replace("'unused'.encode()", "__import__('text').ANSWER")


def save(app, text):
    """As most editors do: the same file, written again."""
    (app.path / "app.py").write_text(as_wsgi(text) if app.interface == "wsgi" else text)


def serves(server, text):
    eventually(lambda: server.get().text == text, f"{text!r} is served")


@pytest.fixture
def develop(app, launch):
    def start(*options, text=version("one"), workers=1, ready=True, **keywords):
        app.write(text)
        server = launch("app:app", "-w", workers, "--reload", *options, env={"PYTHONDONTWRITEBYTECODE": ""}, **keywords)
        server.log.wait("watching files")
        if ready:
            server.wait_ready(workers)
        return server

    return start


@pytest.mark.both_artifacts
@pytest.mark.both_loops
@pytest.mark.parametrize("engine", ["auto", "inotify", "poll"])
def test_a_save_is_served(app, develop, engine):
    server = develop("--reload-engine", engine, workers=2)
    assert server.get().text == "one"
    save(app, version("two"))
    server.log.wait(r"files changed file=app\.py")
    serves(server, "two")
    # Saved by rename, within the same second, with the same length.
    app.write(version("six"))
    serves(server, "six")


def test_an_open_browser_meets_the_new_code(app, develop):
    server = develop()
    with server.connect() as browser:
        assert browser.get("/").text == "one"
        app.write(version("two"))
        server.log.wait("reload succeeded")
        assert browser.ending() == "closed"
    serves(server, "two")


def test_a_syntax_error_is_shown_and_the_next_save_is_served(app, develop):
    server = develop()
    mark = server.log.mark()
    save(app, SYNTAX_ERROR)
    server.log.wait("SyntaxError", after=mark)
    server.log.wait("rolled back", after=mark)
    assert server.get().text == "one"
    save(app, version("two"))
    serves(server, "two")


@pytest.mark.both_artifacts
@pytest.mark.parametrize("broken", [SYNTAX_ERROR, IMPORT_ERROR, "nothing = 1\n"], ids=["syntax", "import", "attribute"])
def test_the_first_boot_waits_for_code_that_starts(app, develop, broken):
    server = develop(text=broken, workers=2, ready=False)
    server.log.wait("worker failed to boot .*when a file changes", count=2)
    stays(lambda: server.process.poll() is None, "the master waits", 0.3)
    app.write(version("two"))
    server.wait_ready(2)
    assert server.get().text == "two"
    assert len(server.log.find("Traceback")) <= 1, "the traceback is logged once"


def test_a_waiting_server_stops_when_it_is_told_to(develop):
    server = develop(text=SYNTAX_ERROR, ready=False)
    server.log.wait("when a file changes")
    server.terminate()
    assert server.wait_exit() == 0


def test_code_that_hangs_at_import_is_given_up_for_the_next_save(app, develop):
    server = develop()
    mark = server.log.mark()
    app.write("open('hangs', 'w').close()\nimport threading\nthreading.Event().wait()\n")
    eventually((app.path / "hangs").exists, "the new worker hangs")
    app.write(version("two"))
    server.log.wait("reload abandoned", after=mark)
    serves(server, "two")


def test_a_module_that_was_missing_is_taken_when_it_comes(app, develop):
    server = develop(text=IMPORTS, ready=False)
    server.log.wait("No module named 'text'")
    app.write("ANSWER = b'here'\n", "text.py")
    server.wait_ready()
    assert server.get().text == "here"


def test_new_files_deleted_files_and_packages_count(app, develop):
    app.write("ANSWER = b'one'\n", "text.py")
    server = develop(text=IMPORTS)
    # A package takes precedence over a module of its name.
    app.write("from .inner import ANSWER\n", "text/__init__.py")
    app.write("ANSWER = b'two'\n", "text/inner.py")
    serves(server, "two")
    app.write("ANSWER = b'six'\n", "text/inner.py")
    serves(server, "six")

    def removed():
        # A worker that boots may just write its bytecode there.
        shutil.rmtree(app.path / "text", ignore_errors=True)
        return not (app.path / "text").exists()

    eventually(removed, "the package is gone")
    serves(server, "one")


def test_a_burst_of_writes_is_one_reload(app, develop):
    server = develop()
    mark = server.log.mark()
    for directory in range(20):
        (app.path / f"package{directory}").mkdir()
        for n in range(50):
            (app.path / f"package{directory}" / f"module{n}.py").write_text(f"x = {n}\n")
    app.write(version("two"))
    serves(server, "two")
    begun = lambda: len(server.log.find("reload began", after=mark))
    eventually(lambda: begun() == len(server.log.find("reload (succeeded|abandoned)", after=mark)), "no reload is going on")
    # A slow machine makes several bursts of it, a second each.
    assert begun() <= 5
    assert server.get().text == "two"


def test_files_outside_of_the_project_count_when_they_are_loaded(app, develop, tmp_path):
    library = tmp_path / "library"
    library.mkdir()
    (library / "text.py").write_text("ANSWER = b'one'\n")
    server = develop("--pythonpath", library, text=IMPORTS_LATE)
    # Imported by the first request: the watcher gets it a moment later.
    assert server.get().text == "one"

    def saved_and_served():
        (library / "text.py").write_text("ANSWER = b'two'\n")
        return server.log.find("files changed")

    eventually(saved_and_served, "the file is watched", interval=0.1)
    serves(server, "two")


def test_extra_files_and_patterns(app, develop):
    (app.path / "settings.toml").write_text("a = 1\n")
    (app.path / "templates").mkdir()
    server = develop("--reload-extra-file", "settings.toml", "--reload-extra-file", "templates/**/*.html")
    for name in ("settings.toml", "templates/new/page.html"):
        mark = server.log.mark()
        app.write("a = 2\n", name)
        server.log.wait(f"files changed file={name}", after=mark)
        server.log.wait("reload succeeded", after=mark)
    mark = server.log.mark()
    for name in ("other.toml", "templates/page.txt", "__pycache__/app.py", ".git/hook.py", ".#app.py"):
        app.write("a = 2\n", name)
    os.utime(app.path / "settings.toml")
    assert "settings.toml files=1" in server.log.wait("files changed .*", after=mark).string


def test_an_extra_file_must_be_there(launch):
    server = launch("app:app", "--reload", "--reload-extra-file", "nothing.toml")
    assert server.wait_exit() == 1
    server.log.wait("nothing.toml.* does not exist")


def test_a_request_in_flight_is_not_waited_for_for_long(app, develop):
    server = develop("--graceful-timeout", "60", text=version("one").replace("    status =", "    await asyncio.sleep(1000 if scope['path'] == '/slow' else 0)\n    status ="))
    old = server.ready_pids()[0]
    with server.connect() as client:
        client.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        app.write(version("two"))
        serves(server, "two")
        eventually(lambda: not processes.alive(old), "the old worker is gone", timeout=10)


def test_the_watcher_goes_with_the_master_and_is_started_again_without_it(app, develop):
    server = develop()
    (watcher,) = set(server.children()) - set(server.ready_pids())
    os.kill(watcher, signal.SIGKILL)
    server.log.wait("file watcher died")
    server.log.wait("watching files", count=2)
    app.write(version("two"))
    serves(server, "two")
    os.kill(server.master, signal.SIGKILL)
    server.wait_exit()
    eventually(lambda: not server.leftovers(), "nobody stays behind")


def test_a_save_costs_one_boot_and_a_moment(app, develop):
    """From the save to the reload: the debounce, and not the next turn of some clock."""
    server = develop("--reload-engine", "inotify")
    waits = []
    for n in range(5):
        mark = server.log.mark()
        saved = time.monotonic()
        app.write(version(f"v{n}"))
        server.log.wait("files changed", after=mark)
        waits.append(time.monotonic() - saved)
        server.log.wait("reload succeeded", after=mark)
    assert min(waits) < 0.2, waits

"""`from rgun import run`: a script that becomes the server, and a program that has a server."""

import signal
import subprocess

import pytest

from harness import processes
from harness.apps import BOOT_FAILED, version
from harness.server import Server
from harness.waiting import eventually

pytestmark = [pytest.mark.wheel]


@pytest.fixture
def script(app, python):
    """Run a text as `serve.py`, in a directory where `app.py` is."""
    app.write(version("one"))
    running = []

    def start(text, *words, place="serve.py"):
        path = app.write(text, place)
        running.append(Server([python, str(path), *words], app.path, None, bind=None))
        return running[-1]

    yield start
    for server in running:
        server.end()


def test_a_script_becomes_the_server(script):
    server = script("from rgun import run\nrun('app:app', bind='127.0.0.1:0', workers=2, graceful_timeout=5)\nprint('not reached')\n")
    server.wait_ready(2)
    assert server.get().text == "one"
    assert set(server.ready_pids()) <= set(server.children()), "the script's process is the master"
    server.terminate()
    assert server.wait_exit() == 0
    assert "not reached" not in server.log.wait_end()


def test_settings_have_their_names_in_a_configuration_file(python):
    code = """
from pathlib import Path
from rgun.compat import arguments
def show(*options, **settings): print(arguments(*options, **settings))
show("app:app", bind=["127.0.0.1:1", "unix:/tmp/a"], workers=4, reload=True, raw_env=["A=1", "B=2"])
show("app:app", "--threads", "2", chdir=Path("/srv"), preload_app=None, forwarded_allow_ips=["10.0.0.1", "::1"])
show(wsgi_app="app:app", raw_env={"A": "1"}, access_log_format="-")
"""
    shown = subprocess.run([python, "-c", code.replace(", preload_app=None", "")], check=True, capture_output=True, text=True).stdout.splitlines()
    assert shown == [
        "['app:app', '--bind=127.0.0.1:1', '--bind=unix:/tmp/a', '--workers=4', '--reload', '--env=A=1', '--env=B=2']",
        "['app:app', '--chdir=/srv', '--forwarded-allow-ips=10.0.0.1,::1', '--threads', '2']",
        "['app:app', '--env=A=1', '--access-log-format=-']",
    ]


@pytest.mark.parametrize(
    "call, complaint",
    [
        ("run(lambda scope: None)", "give its place"),
        ("run('app:app', wokers=2)", "did you mean workers?"),
        ("run('app:app', post_fork=print)", "post_fork"),
        ("run('app:app', workers=object())", "workers: cannot be"),
    ],
)
def test_what_cannot_be_is_said_at_once(python, call, complaint):
    done = subprocess.run([python, "-c", f"from rgun import run\n{call}"], capture_output=True, text=True)
    assert done.returncode == 1 and "TypeError" in done.stderr and complaint in done.stderr


def test_a_switch_can_be_switched_off(script, app):
    app.write("reload = true\n", "rgun.toml")
    server = script("from rgun import run\nrun('app:app', bind='127.0.0.1:0', reload=False)\n")
    server.wait_ready()
    assert not server.log.find("watching files")


def test_a_program_with_threads_goes_on_when_the_server_has_ended(script):
    """It may have imported the app, too: the workers have a fresh interpreter."""
    server = script("""
import threading, app
threading.Thread(target=threading.Event().wait, daemon=True).start()
from rgun import run
print("ended with", run("app:app", bind="127.0.0.1:0", workers=2), flush=True)
raise SystemExit(7)
""")
    server.wait_ready(2)
    assert server.get().text == "one"
    mark = server.log.mark()
    server.signal(signal.SIGHUP)
    server.log.wait("reload succeeded", after=mark)
    server.terminate()
    server.log.wait("ended with 0")
    assert server.wait_exit() == 7


def test_the_server_ends_with_the_program_that_waits_for_it(script):
    server = script("""
import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
from rgun import run
run("app:app", bind="127.0.0.1:0")
""")
    server.wait_ready()
    (master,) = server.children()
    server.signal(signal.SIGKILL)
    server.wait_exit()
    eventually(lambda: not processes.alive(master), "the server is gone")
    eventually(lambda: not server.leftovers(), "nobody stays behind")


@pytest.mark.parametrize("threads", [False, True], ids=["alone", "with_threads"])
def test_the_exit_code_is_the_servers(script, app, threads):
    app.write("nothing = 1\n")
    begin = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n" if threads else ""
    server = script(begin + "from rgun import run\nraise SystemExit(run('app:missing', bind='127.0.0.1:0'))\n")
    assert server.wait_exit() == 4


def test_the_app_is_found_beside_the_script(script, app):
    app.write("from elsewhere import app\n")
    app.write(version("beside"), "tools/beside.py")
    server = script("from rgun import run\nrun('beside:app', bind='127.0.0.1:0')\n", place="tools/serve.py")
    server.wait_ready()
    assert server.get().text == "beside"


def test_a_script_that_is_its_app(script):
    text = version("one") + "\nif __name__ == '__main__':\n    from rgun import run\n    run('__main__:app', bind='127.0.0.1:0')\n"
    server = script(text, place="alone.py")
    server.wait_ready()
    assert server.get().text == "one"


def test_a_script_whose_workers_would_start_servers_is_told(script):
    """Each of them imports the script, and would begin another server."""
    server = script(version("one") + "\nfrom rgun import run\nrun('alone:app', bind='unix:app.sock')\n", place="alone.py")
    assert server.wait_exit() == BOOT_FAILED
    assert 'RuntimeError: this module is imported by a worker of rgun\'s: call run() below `if __name__ == "__main__":`' in server.log.wait_end()
    assert len(server.log.find("starting pid=")) == 1

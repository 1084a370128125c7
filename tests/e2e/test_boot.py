"""The server boots: it binds, forks, imports and answers."""

import json
import re
import signal
import subprocess
import sys

import pytest

from harness import processes
from harness.apps import version
from harness.waiting import eventually


@pytest.mark.both_artifacts
@pytest.mark.wheel
def test_answers_with_the_app(serve):
    response = serve("hello.py").get()
    assert (response.status, response.text) == (200, "Hello, world!")
    assert response.header("content-type") == "text/plain"
    assert response.header("date")


@pytest.mark.both_artifacts
@pytest.mark.wheel
def test_every_worker_is_ready_and_a_child_of_the_master(serve):
    server = serve("process.py", workers=3)
    pids = server.wait_ready(3)
    assert sorted(pids) == [0, 1, 2]
    assert set(pids.values()) <= set(server.children())
    facts = json.loads(server.get().body)
    assert facts["pid"] in pids.values() and facts["parent"] == server.master


def test_nothing_answers_before_the_app_is_imported(launch, app):
    app.write(version("late", before="print('importing', flush=True)\nos.read(os.open('gate', os.O_RDONLY), 1)"))
    import os

    os.mkfifo(app.path / "gate")
    server = launch()
    server.log.wait("importing")
    with server.connect() as client:
        client.request()
        assert client.quiet(0.3)
        with open(app.path / "gate", "wb") as gate:
            gate.write(b"1")
        assert client.response().text == "late"


@pytest.mark.both_artifacts
def test_a_parent_that_ignores_the_ends_of_its_children(app, program):
    """Some process managers leave SIGCHLD ignored, which a program inherits."""
    from harness.server import Server

    app.copy("process.py")
    ignores = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    with Server([sys.executable, "-c", ignores, *program], app.path) as server:
        server.wait_ready()
        assert server.get().status == 200


def test_a_worker_boots_in_a_directory_that_a_deploy_has_deleted(app, launch, tmp_path):
    """The app is elsewhere on the path. Python itself starts in such a directory, too."""
    app.write(version("still here"))
    release = tmp_path / "release"
    release.mkdir()
    server = launch("app:app", "--pythonpath", app.path, directory=release)
    server.wait_ready()
    release.rmdir()
    mark = server.log.mark()
    server.signal(signal.SIGKILL, server.ready_pids()[0])
    server.wait_ready(1, after=mark)
    assert server.get().text == "still here"


@pytest.mark.wheel
def test_python_dash_m_rgun(app, program, launch):
    app.copy("hello.py")
    python = program[0].replace("/bin/rgun", "/bin/python")
    if python == program[0]:
        python = sys.executable
    from harness.server import Server

    with Server([python, "-m", "rgun"], app.path) as server:
        server.wait_ready()
        assert server.get().status == 200


def test_listens_on_every_bind(serve):
    server = serve("hello.py", bind=["127.0.0.1:0", "127.0.0.1:0", "unix:here.sock"])
    eventually(lambda: len(server.addresses) == 3, "three listeners are in the log")
    ports = {re.search(r":(\d+)$", address).group(1) for address in server.addresses if address.startswith("http")}
    assert len(ports) == 2
    from harness.client import Client

    for port in ports:
        with Client.tcp("127.0.0.1", int(port)) as client:
            assert client.get().status == 200
    with Client.unix(server.directory / "here.sock") as client:
        assert client.get().status == 200


def test_listens_on_ipv6(serve):
    server = serve("hello.py", bind="[::1]:0")
    from harness.client import Client

    with Client.tcp("::1", server.port) as client:
        assert client.get().status == 200


def test_every_ipv6_address_means_every_ipv4_address_too(serve):
    """As with gunicorn, and as images rely on: `-b [::]:8000` alone."""
    server = serve("hello.py", bind="[::]:0")
    from harness.client import Client

    for host in ("127.0.0.1", "::1"):
        with Client.tcp(host, server.port) as client:
            assert client.get().status == 200


def test_a_host_name_is_resolved(serve):
    assert serve("hello.py", bind="localhost:0").get().status == 200


def test_inherits_a_socket_as_a_descriptor(app, launch):
    import socket

    app.copy("hello.py")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.fileno()
        server = launch(bind=f"fd://{number}", pass_fds=(number,))
        server.wait_ready()
        with socket.create_connection(listener.getsockname(), timeout=5) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "spec, options",
    [
        ("shop", []),
        ("shop:application", []),
        ("shop:holder.inner", []),
        ("shop:make()", []),
        ("shop:make", ["--factory"]),
        ("package.web:application", []),
    ],
)
def test_app_specs(app, launch, spec, options):
    text = (
        version("found").replace("async def app(", "async def application(")
        + "\nclass holder:\n    inner = application\n\ndef make():\n    return application\n"
    )
    app.write(text, "shop.py")
    app.write("", "package/__init__.py")
    app.write(text, "package/web.py")
    server = launch(spec, *options)
    server.wait_ready()
    assert server.get().text == "found"


def test_an_app_may_be_an_object_with_an_async_call(app, launch):
    app.write(version("object") + "\nasgi = app\nclass Site:\n    async def __call__(self, scope, receive, send):\n        await asgi(scope, receive, send)\napp = Site()\n")
    server = launch()
    server.wait_ready()
    assert server.get().text == "object"


@pytest.mark.both_artifacts
@pytest.mark.wheel
def test_a_worker_is_an_ordinary_python_process(serve, pytestconfig):
    server = serve("process.py")
    facts = json.loads(server.get().body)
    assert facts["main_thread"] and facts["import_thread"] == "MainThread"
    assert facts["blocked"] == []
    assert facts["sigpipe_ignored"]
    assert facts["cwd"] == str(server.directory)
    assert facts["path"][0] in ("", str(server.directory))
    assert not any(entry.endswith("/rgun") for entry in facts["path"])
    assert any(entry.endswith("site-packages") for entry in facts["path"])
    assert "__RGUN_SCRIPT" not in facts["environment"]
    python = server.command[0].replace("/bin/rgun", "/bin/python")
    if python == server.command[0]:
        python = sys.executable
    expected = subprocess.run([python, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True).stdout.strip()
    assert facts["prefix"] == expected


@pytest.mark.wheel
def test_children_of_the_app_are_ordinary_python_processes(serve):
    server = serve("process.py")
    here = json.loads(server.get().body)
    child = json.loads(server.get("/spawned", timeout=30).body)
    assert child["no_site"] == 0
    assert child["prefix"] == here["prefix"]


def test_the_master_runs_one_thread_and_no_code_of_others(app, launch):
    """A sitecustomize that starts a thread, as monitoring agents have, runs in the workers only."""
    app.copy("process.py")
    app.write(
        "import os, sys, threading\n"
        "threading.Thread(target=threading.Event().wait, daemon=True, name='agent').start()\n"
        "print('agent in', os.getpid(), flush=True)\n",
        "agent/sitecustomize.py",
    )
    server = launch(env={"PYTHONPATH": str(app.path / "agent")})
    worker = server.wait_ready()[0]
    assert processes.threads(server.master) == 1
    assert "agent" in json.loads(server.get().body)["threads"]
    # The console script's interpreter meets the agent before it is replaced; the master itself never does.
    assert len(server.log.find(rf"agent in {server.master}$")) <= 1
    assert len(server.log.find(rf"agent in {worker}$")) == 1


def test_environment_and_paths_of_the_command_line(app, launch):
    app.copy("process.py", "elsewhere/app.py")
    app.write("", "library/only_there.py")
    server = launch("app:app", "--chdir", "elsewhere", "--pythonpath", str(app.path / "library"), "-e", "COLOUR=green", "--env", "SIZE=2")
    server.wait_ready()
    facts = json.loads(server.get().body)
    assert facts["cwd"] == str(app.path / "elsewhere")
    assert str(app.path / "library") in facts["path"]
    assert (facts["environment"]["COLOUR"], facts["environment"]["SIZE"]) == ("green", "2")


def test_pid_file_lives_as_long_as_the_server(serve, app):
    server = serve("hello.py", "-p", "server.pid")
    path = app.path / "server.pid"
    assert path.read_text().strip() == str(server.master)
    server.terminate()
    assert server.wait_exit() == 0
    assert not path.exists()


def test_web_concurrency_sets_the_number_of_workers(app, launch):
    app.copy("hello.py")
    server = launch(env={"WEB_CONCURRENCY": "2"})
    assert sorted(server.wait_ready(2)) == [0, 1]


def test_check_config_binds_nothing(app, launch):
    app.copy("hello.py")
    server = launch("app:app", "--check-config")
    assert server.wait_exit() == 0
    assert not server.addresses


def test_version_and_help(launch):
    shown = launch(None, "--version", bind=None)
    assert shown.wait_exit() == 0
    assert re.search(r"rgun \d+\.\d+\.\d+", shown.log.wait_end())
    whole = launch(None, "--version", "-v", bind=None)
    assert whole.wait_exit() == 0
    assert re.search(r"^commit: .+\nbuilt for: \S+-linux-\S+\npython: /.+\nkernel: Linux \S+ \S+$", whole.log.wait_end(), re.MULTILINE)
    helped = launch(None, "--help", bind=None)
    assert helped.wait_exit() == 0
    for flag in ("--bind", "--workers", "--graceful-timeout", "--ready-path"):
        assert flag in helped.log.wait_end()
    # It has a Python of its own.
    assert "--python <" not in helped.log.wait_end()


def test_the_last_line_of_a_stopped_server_says_so(serve):
    server = serve("hello.py")
    server.terminate()
    assert server.wait_exit() == 0
    assert server.log.wait_end().rstrip().splitlines()[-1].endswith("stopped exit_code=0")


@pytest.mark.both_artifacts
def test_leaves_nothing_behind(serve):
    server = serve("hello.py", workers=2)
    server.terminate()
    assert server.wait_exit() == 0
    eventually(lambda: not server.leftovers(), "all processes are gone")
    assert server.refuses_connections()

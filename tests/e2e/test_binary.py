"""The binary embeds the interpreter and runs it in the environment that it is installed in."""

import json
import os
import shutil
import subprocess
import sys
import venv

import pytest

from harness import processes
from harness.apps import version
from harness.server import Server
from harness.waiting import eventually

pytestmark = [pytest.mark.both_artifacts]


@pytest.fixture(scope="module")
def program(request, program, tmp_path_factory):
    """The binary in a place where no Python is beside it."""
    if request.config.getoption("--binary") != "embedded":
        return program
    place = tmp_path_factory.mktemp("place") / "rgun"
    shutil.copy(program[0], place)
    return [str(place)]


@pytest.fixture(autouse=True)
def binary(request, program):
    if request.config.getoption("--binary") != "embedded":
        pytest.skip("about the binary")
    return program[0]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A virtual environment of the Python that the binary was built for, with a package in it."""
    path = tmp_path_factory.mktemp("environment") / "ve"
    venv.EnvBuilder(symlinks=True, with_pip=False).create(path)
    (packages,) = path.glob("lib/python*/site-packages")
    (packages / "only_here.py").write_text("NAME = 'only here'\n")
    (packages / "starts.pth").write_text("import os; os.environ['PTH_RAN'] = 'yes'\n")
    return path


FACTS = version("facts", before="""
import json, only_here
FACTS = {
    "executable": sys.executable, "prefix": sys.prefix, "base_prefix": sys.base_prefix, "version": list(sys.version_info[:3]),
    "argv": sys.argv, "pth": os.environ.get("PTH_RAN"), "hash": sys.flags.hash_randomization, "utf8": sys.flags.utf8_mode,
    "path": sys.path, "signals": sorted(map(int, __import__("signal").pthread_sigmask(0, []))),
}
""").replace("'facts'.encode()", "json.dumps(FACTS).encode()")


def facts(server):
    server.wait_ready()
    return json.loads(server.get().body)


def assert_runs_in(environment, found, program):
    assert found["executable"].startswith(str(environment / "bin" / "python"))
    assert found["prefix"] == str(environment)
    assert found["base_prefix"] == sys.base_prefix
    assert found["version"] == list(sys.version_info[:3])
    assert found["argv"][:2] == [program, "app:app"]
    assert found["pth"] == "yes"
    assert found["signals"] == []


def test_runs_in_the_environment_that_is_named(launch, app, environment, binary):
    app.write(FACTS)
    server = launch("app:app", "--python", environment / "bin" / "python", env={"VIRTUAL_ENV": "/nowhere"})
    assert_runs_in(environment, facts(server), binary)


def test_a_relative_path_is_taken_from_where_the_server_starts(launch, app, environment, binary):
    app.write(FACTS, "below/app.py")
    (app.path / "ve").symlink_to(environment)
    found = facts(launch("app:app", "--python", "ve/bin/python", "--chdir", "below"))
    assert found["prefix"] == str(app.path / "ve")


def test_runs_in_the_environment_that_is_active(launch, app, environment, binary):
    app.write(FACTS)
    assert_runs_in(environment, facts(launch(env={"VIRTUAL_ENV": str(environment)})), binary)


@pytest.mark.parametrize("how", ["link", "copy"])
def test_runs_in_the_environment_that_it_stands_in(app, environment, binary, how):
    app.write(FACTS)
    inside = environment / "bin" / "rgun"
    if how == "link":
        inside.symlink_to(binary)
    else:
        shutil.copy(binary, inside)
    path = f"{inside.parent}:{os.environ['PATH']}"
    try:
        for program in (str(inside), "rgun"):
            # By its path, and by its name through $PATH.
            with Server([program], app.path, env={"VIRTUAL_ENV": "/nowhere", "PATH": path}) as server:
                assert_runs_in(environment, facts(server), program)
    finally:
        inside.unlink()


def test_runs_in_the_python_it_was_built_for(launch, app):
    app.write(FACTS.replace(", only_here", ""))
    found = facts(launch(env={"VIRTUAL_ENV": ""}))
    assert found["version"] == list(sys.version_info[:3])
    assert found["base_prefix"] == sys.base_prefix


def test_the_environment_of_python_counts(launch, app, environment):
    app.write(FACTS)
    app.write("import sys; sys.path.insert(0, '/from/sitecustomize')\n", "extra/sitecustomize.py")
    server = launch(
        "app:app", "-e", "PYTHONUTF8=1", "--python", environment / "bin" / "python",
        env={"PYTHONHASHSEED": "0", "PYTHONPATH": str(app.path / "extra")},
    )
    found = facts(server)
    assert found["hash"] == 0 and found["utf8"] == 1
    assert "/from/sitecustomize" in found["path"] and str(app.path / "extra") in found["path"]


def test_the_master_runs_no_python(serve, binary):
    server = serve("hello.py", workers=2)
    assert processes.threads(server.master) == 1
    assert processes.private(server.master) < 6 << 20
    with open(f"/proc/{server.master}/maps") as maps:
        # What the first steps of an interpreter load.
        assert "lib-dynload" not in maps.read()


OTHER = "#!/bin/sh\necho {}\n"


def other_python(path, answer):
    path.write_text(OTHER.format(answer))
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    "answer, told",
    [
        ("cpython 3.8.1 ''", ["is CPython 3.8.1", "is built for %d.%d.%d" % sys.version_info[:3]]),
        ("cpython %d.%d.99 ''" % sys.version_info[:2], ["is CPython %d.%d.99" % sys.version_info[:2], "LD_LIBRARY_PATH"]),
        ("pypy 3.11.1 ''", ["is pypy", "is built for cpython"]),
        ("cpython 3.13.1 t", ['ABI flags "t"']),
    ],
)
def test_a_python_of_another_version_is_refused(launch, app, tmp_path, answer, told):
    app.copy("hello.py")
    python = other_python(tmp_path / "python", answer)
    server = launch("app:app", "--python", python)
    assert server.wait_exit() == 1
    text = server.log.wait_end()
    assert str(python) in text and "hint:" in text
    assert all(part in text for part in told), text
    assert "listening" not in text and "worker" not in text


def test_the_libpython_of_another_python_is_refused(launch, app, tmp_path, binary):
    """The linker is led to another libpython of the same minor version, and the chosen Python with it."""
    listed = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True).stdout
    name = "libpython%d.%d.so.1.0" % sys.version_info[:2]
    others = [line.split("=> ")[1] for line in listed.splitlines() if name in line]
    if not others or name not in subprocess.run(["ldd", binary], capture_output=True, text=True).stdout:
        pytest.skip(f"no other {name} on this machine")
    other = os.path.dirname(others[0])
    said = subprocess.run([binary, "--version"], env={"LD_LIBRARY_PATH": other}, capture_output=True, text=True).stdout
    if "%d.%d.%d" % sys.version_info[:3] in said:
        pytest.skip(f"{other} has the same version")
    app.copy("hello.py")
    server = launch(env={"LD_LIBRARY_PATH": other})
    assert server.wait_exit() == 1
    text = server.log.wait_end()
    assert others[0] in text and "listening" not in text


@pytest.mark.parametrize("python", ["/nowhere/python", "/bin/true"])
def test_what_is_no_python_is_refused(launch, app, python):
    app.copy("hello.py")
    server = launch("app:app", "--python", python)
    assert server.wait_exit() == 1
    assert f"error: {python} does not run" in server.log.wait_end()


def test_an_active_environment_without_python_is_refused(launch, app, tmp_path):
    app.copy("hello.py")
    server = launch(env={"VIRTUAL_ENV": str(tmp_path)})
    assert server.wait_exit() == 1
    assert f"error: VIRTUAL_ENV is {tmp_path}" in server.log.wait_end()


def test_a_python_that_does_not_start_is_told(launch, app):
    app.copy("hello.py")
    server = launch(env={"PYTHONHOME": "/nowhere"})
    assert server.wait_exit() == 3
    assert "Python does not start" in server.log.wait_end()


def test_the_end_of_a_worker_is_the_end_of_a_python_program(serve, app):
    app.write(version("app", before="""
import atexit, threading
atexit.register(print, "atexit ran")
end = threading.Event()
threading._register_atexit(end.set) if hasattr(threading, "_register_atexit") else None
threading.Thread(target=lambda: (end.wait(), print("thread ended"))).start()
sys.stdout.reconfigure(line_buffering=False)
"""))
    server = serve(workers=1)
    server.terminate()
    assert server.wait_exit() == 0
    text = server.log.wait_end()
    assert "atexit ran" in text and "thread ended" in text and 'exit="code 0"' in text


def test_an_app_can_name_client_disconnected(serve, app):
    app.write("""
import asyncio, rgun
from rgun import ClientDisconnected
assert issubclass(ClientDisconnected, OSError) and rgun.__version__
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    try:
        while True:
            await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
            await asyncio.sleep(0)
    except ClientDisconnected:
        print("client left", flush=True)
""")
    server = serve(workers=1)
    with server.connect() as client:
        client.request()
        client.head()
        client.reset()
    server.log.wait("client left")


def test_version_names_the_python(binary):
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("rgun ") and "(CPython %d.%d.%d" % sys.version_info[:3] in said


@pytest.mark.parametrize("spec, code, told", [("app:app", 0, ""), ("app:missing", 1, "'missing'"), ("broken:app", 1, "ZeroDivisionError")])
def test_check_config(binary, app, environment, spec, code, told):
    app.write("import os, only_here\nassert os.environ['NAME'] == 'value'\nasync def app(scope, receive, send): ...\n", "below/app.py")
    app.write("1 / 0\n", "below/broken.py")
    command = [binary, "--check-config", spec, "--chdir", "below", "-e", "NAME=value", "--python", environment / "bin/python"]
    ran = subprocess.run(command, cwd=app.path, capture_output=True, text=True)
    assert ran.returncode == code, ran.stderr
    assert told in ran.stderr and (code or not ran.stderr)


def test_every_worker_imports_for_itself(serve):
    """The interpreter is started after the fork."""
    server = serve("process.py", workers=2)
    pids = server.wait_ready(2)
    found = json.loads(server.get().body)
    assert found["pid"] in pids.values() and found["main_thread"]
    assert json.loads(server.get("/spawned").body)["prefix"] == found["prefix"]
    eventually(lambda: not processes.zombies(found["pid"]), "the spawned child was reaped")


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_a_python_that_the_workers_may_not_get_to_is_named(launch, app, environment):
    """As where root has installed it in its home. Python itself would speak of a codec."""
    app.copy("hello.py")
    environment.chmod(0o700)
    server = launch("app:app", "--python", environment / "bin/python", "--user", "nobody")
    assert server.wait_exit() == 3
    text = server.log.wait_end()
    assert "Python does not start: its " in text and "user may not enter /" in text and "with --python" in text
    assert "codec" not in text and "path configuration" not in text

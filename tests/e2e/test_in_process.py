"""Debuggers, tracers, profilers and launchers start rgun in an interpreter of their own: the server runs there, and they see the app."""

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from harness.server import Server

APPS = {
    "asgi": """
import os
async def hello(send):
    body = str(os.getpid()).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("shut down", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    await hello(send)
""",
    "wsgi": """
import os
def hello():
    return str(os.getpid()).encode()
def app(environ, start_response):
    body = hello()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
""",
}


@pytest.fixture
def python(program, pytestconfig):
    if pytestconfig.getoption("--binary") == "embedded":
        pytest.skip("about the wheel")
    return str(Path(program[0]).with_name("python"))


@pytest.fixture(params=APPS)
def project(app, request):
    (app.path / "app.py").write_text(APPS[request.param])
    return app.path


@pytest.fixture
def run(app, python):
    running = []

    def start(*words, **keywords):
        running.append(Server([python, *map(str, words)], app.path, None, bind=None, **keywords))
        running[-1].log.wait("all workers ready")
        return running[-1]

    yield start
    for server in running:
        server.end()


WORDS = ["-m", "rgun", "app:app", "-b", "127.0.0.1:0"]


def serves_in_its_own_process(server, reason):
    assert server.get().text == str(server.master), "this process itself"
    assert not server.children()
    (line,) = server.log.find("serving in this process.*")
    assert reason in line
    return server


def ends(server, number=signal.SIGINT, code=0):
    server.signal(number)
    assert server.wait_exit() == code, server.log.text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_for(run, project, number):
    server = serves_in_its_own_process(run(*WORDS, "--in-process", "-w", "4"), "--in-process")
    ends(server, number)
    if "lifespan" in (project / "app.py").read_text():
        assert server.log.find("shut down")


def test_settings_without_effect_are_named(run, project):
    server = run(*WORDS, "--in-process", "-w", "4", "--reload", "--run-before", "true", "--pid", "app.pid", "--timeout", "0", "--threads", "2")
    (line,) = server.log.find("these settings have no effect without a master and workers.*")
    assert 'settings="--workers --reload --run-before --pid"' in line
    ends(server)


def test_in_a_configuration_file(serve, project):
    (project / "rgun.toml").write_text("in_process = true\n")
    server = serve()
    assert server.get().text == str(server.master)


def test_coverage(run, python, project):
    pytest.importorskip("coverage")
    server = run("-m", "coverage", "run", "--data-file", "data", *WORDS, "-w", "4")
    serves_in_its_own_process(server, "coverage" if sys.version_info < (3, 14) else "active")
    ends(server)
    subprocess.run([python, "-m", "coverage", "json", "--data-file", "data", "-o", "report.json"], cwd=project, check=True, capture_output=True)
    report = json.loads((project / "report.json").read_text())["files"]["app.py"]
    assert report["summary"]["missing_lines"] == 0, report["missing_lines"]


def test_cprofile(run, python, project):
    server = serves_in_its_own_process(run("-m", "cProfile", "-o", "profile.out", *WORDS), "active")
    ends(server)
    text = subprocess.run([python, "-c", "import pstats; pstats.Stats('profile.out').print_stats('hello')"], cwd=project, check=True, capture_output=True, text=True).stdout
    assert "app.py" in text and "(hello)" in text


def test_pdb_breakpoints_work(app, python, project):
    """The debugger's prompt is in the app's own frame."""
    text = (project / "app.py").read_text()
    (project / "app.py").write_text(text.replace("body = ", "import pdb; pdb.set_trace()\n    body = ", 1) if "async" in text else text.replace("return str(", "import pdb; pdb.set_trace()\n    return str(", 1))
    process = subprocess.Popen([python, *WORDS, "--in-process"], cwd=project, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        (port,) = [line.rsplit(":", 1)[1].strip().strip('"') for line in lines_until(iter(process.stdout.readline, ""), "all workers ready") if "listening" in line]
        client = subprocess.Popen([python, "-c", f"import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:{port}').read().decode())"], stdout=subprocess.PIPE, text=True)
        process.stdin.write("where\ncontinue\n")
        process.stdin.flush()
        assert client.communicate(timeout=60)[0].strip() == str(process.pid)
        # After `continue` SIGINT is pdb's.
        process.terminate()
        assert "hello" in process.communicate(timeout=60)[0]
    finally:
        process.kill()
        process.wait()


def test_debugpy(run, project):
    pytest.importorskip("debugpy")
    server = run("-X", "frozen_modules=off", "-m", "debugpy", "--listen", "127.0.0.1:0", *WORDS)
    assert server.get().text == str(server.master)
    assert server.log.find("serving in this process.*debugger")
    server.signal(signal.SIGTERM)
    server.wait_exit()


def test_a_tracer_that_every_interpreter_starts_with_is_no_reason(run, project, tmp_path):
    """As coverage's `.pth` for subprocesses: it is in the workers, too."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text("import sys\nsys.setprofile(lambda *_: None)\n")
    server = run(*WORDS, "-w", "2", env={"PYTHONPATH": str(site)})
    assert server.get().text != str(server.master)
    assert len(server.children()) == 2


def test_an_app_that_fails_has_its_exit_code(python, project):
    (project / "app.py").write_text("raise RuntimeError('no')\n")
    done = subprocess.run([python, *WORDS, "--in-process"], cwd=project, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3 and "RuntimeError: no" in done.stderr and "_rgun" not in done.stderr
    (project / "app.py").write_text("")
    done = subprocess.run([python, *WORDS, "--in-process"], cwd=project, capture_output=True, text=True, timeout=60)
    assert done.returncode == 4


def test_run_takes_the_app_itself(run, project):
    (project / "serve.py").write_text(
        "import signal, rgun\nfrom app import app as made\nbefore = signal.getsignal(signal.SIGINT)\n"
        "code = rgun.run(made, in_process=True, bind='127.0.0.1:0', workers=4)\nprint('ended with', code, signal.getsignal(signal.SIGINT) is before, flush=True)\n"
    )
    server = run("serve.py")
    assert server.get().text == str(server.master)
    ends(server)
    server.log.wait("ended with 0 True")


FIXTURE = """
import os, re, signal, threading, urllib.request
import pytest, rgun
from app import app as made

@pytest.fixture(params=[1, 2])
def server(request, tmp_path):
    log = tmp_path / "log"
    thread = threading.Thread(target=rgun.run, args=(made,), kwargs=dict(in_process=True, bind=f"unix:{tmp_path}/sock", errorlog=str(log)), daemon=True)
    before = signal.getsignal(signal.SIGINT)
    thread.start()
    while not (log.exists() and "all workers ready" in log.read_text()):
        thread.join(0.02)
        assert thread.is_alive()
    assert signal.getsignal(signal.SIGINT) is before
    return f"{tmp_path}/sock"

def test_it(server):
    import socket
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(server)
        client.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
        answer = b""
        while data := client.recv(4096):
            answer += data
    assert answer.endswith(str(os.getpid()).encode())
"""


def test_a_fixture_of_pytest(python, project):
    (project / "test_site.py").write_text(FIXTURE)
    done = subprocess.run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_site.py"], cwd=project, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr
    lifespans = (project / "app.py").read_text().count("shut down")
    assert done.stdout.count("shut down") == 2 * lifespans, "the interpreter's exit ends both servers in order"


THREAD = """
import os, sys, threading, rgun
from app import app as made

threading.Thread(target=rgun.run, args=(made,), kwargs=dict(in_process=True, bind="127.0.0.1:0"), daemon=True).start()
for line in sys.stdin:
    if line == "fork\\n":
        child = os.fork()
        if child == 0:
            sys.exit(7)
        print("left with", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
print("exits", flush=True)
"""


def test_the_exit_of_a_forked_child_leaves_the_server(python, project):
    (project / "serve.py").write_text(THREAD)
    process = subprocess.Popen([python, "serve.py"], cwd=project, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        lines = iter(process.stdout.readline, "")
        (port,) = [line.rsplit(":", 1)[1].strip().strip('"') for line in lines_until(lines, "all workers ready") if "listening" in line]
        process.stdin.write("fork\n")
        process.stdin.flush()
        lines_until(lines, "left with 7")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=60) as response:
            assert response.read().decode() == str(process.pid)
        assert "exits" in process.communicate(timeout=60)[0]
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()


def lines_until(lines, text):
    found = []
    for line in lines:
        found.append(line)
        if text in line:
            return found
    raise AssertionError("".join(found))

"""What a server that was killed leaves behind, full disks and read-only places: a start goes on with a log line, or fails with what to do."""

import os
import re
import signal
import subprocess

import pytest
from harness import processes
from harness.server import Server
from harness.waiting import eventually

pytestmark = [pytest.mark.both_artifacts]


def killed(server):
    server.signal(signal.SIGKILL)
    server.wait_exit()
    eventually(lambda: not server.leftovers(), "its workers have left")


def test_files_of_a_killed_server_are_replaced(launch, app, tmp_path):
    app.copy("hello.py")
    pid, control = tmp_path / "rgun.pid", tmp_path / "rgun.ctl"
    options = ("--pid", pid, "--control-socket", control)
    first = launch("app:app", *options, bind="unix:a.sock")
    first.wait_ready()
    killed(first)
    assert pid.exists() and control.exists() and (app.path / "a.sock").exists()
    second = launch("app:app", *options, bind="unix:a.sock")
    second.wait_ready()
    assert second.get().status == 200
    assert second.log.find(rf"replacing the pid file of a server that is gone .*named_pid={first.master}\b")
    assert len(second.log.find("replaced the socket of a server that is gone")) == 2
    assert pid.read_text() == f"{second.master}\n"


def test_a_number_that_another_process_has_by_now(launch, app, tmp_path):
    """In a container the same numbers come again and again."""
    app.copy("hello.py")
    pid = tmp_path / "rgun.pid"
    other = subprocess.Popen(["sleep", "600"])
    try:
        pid.write_text(f"{other.pid}\n")
        os.utime(pid, (0, 0))
        server = launch("app:app", "--pid", pid)
        server.wait_ready()
        assert server.log.find("replacing the pid file of a server that is gone")
    finally:
        other.kill()
        other.wait()


def test_a_socket_that_is_bound_and_does_not_listen_yet_is_left_alone(launch, app):
    import socket

    app.copy("hello.py")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(app.path / "a.sock"))
        server = launch("app:app", bind=f"unix:{app.path}/a.sock")
        assert server.wait_exit() == 1
        assert "address already in use" in server.log.wait_end()
        other.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(app.path / "a.sock"))


def mounts():
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


needs_mounts = pytest.mark.skipif(not mounts(), reason="no mount namespace can be made here")


@pytest.fixture
def mounted(program, app):
    """The server where a directory is mounted with these options."""
    started = []

    def start(directory, options, *words, before="true", bind="127.0.0.1:0"):
        directory.mkdir(exist_ok=True)
        script = f"mount -t tmpfs -o {options} none {directory} && {before} && exec \"$@\""
        server = Server(["unshare", "--mount", "sh", "-c", script, "sh", *program], app.path, "app:app", "--loop", "asyncio", *map(str, words), bind=bind)
        started.append(server)
        return server

    yield start
    for server in started:
        server.end()


FULL = "size=16k,mode=755"


@needs_mounts
@pytest.mark.parametrize(("options", "before", "said"), [
    (FULL, "cat /dev/zero > {0}/full 2>/dev/null; true", "no space left"), ("ro", "true", "read-only"),
])
def test_a_pid_file_without_a_place_names_the_way_out(mounted, app, tmp_path, options, before, said):
    app.copy("hello.py")
    place = tmp_path / "place"
    server = mounted(place, options, "--pid", place / "rgun.pid", before=before.format(place))
    assert server.wait_exit() == 1
    text = server.log.wait_end()
    assert re.search(rf"error: write pid file .*: .*{said}", text) and re.search(rf"hint: .*{place}.* /run", text), text


@needs_mounts
@pytest.mark.parametrize("kind", ["bind", "--control-socket", "--error-logfile"])
def test_other_files_on_a_read_only_system(mounted, app, tmp_path, kind):
    app.copy("hello.py")
    place = tmp_path / "place"
    if kind == "bind":
        server = mounted(place, "ro", bind=f"unix:{place}/file")
    else:
        server = mounted(place, "ro", kind, place / "file")
    assert server.wait_exit() == 1
    text = server.log.wait_end()
    assert "read-only" in text and "hint: " in text and "mount one there" in text


@needs_mounts
def test_without_a_place_for_temporary_files_a_server_starts(mounted, app, tmp_path):
    app.copy("hello.py")
    place = tmp_path / "place"
    server = mounted(place, "ro", before=f"export TMPDIR={place}")
    server.wait_ready()
    assert server.log.find("no temporary files.*--worker-tmp-dir")


@needs_mounts
def test_a_record_that_did_not_fit_does_not_spoil_the_next_one(mounted, app, tmp_path):
    app.write("""
import os
async def app(scope, receive, send):
    if scope["path"] == "/room":
        os.unlink(os.environ["FULL"])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})
""")
    place = tmp_path / "place"
    full, log = place / "full", place / "access.log"
    # All but some bytes of the last page are taken.
    before = f"printf x > {log} && cat /dev/zero > {full} 2>/dev/null; export FULL={full}"
    server = mounted(place, FULL, "--access-logfile", log, "--access-logformat", "<%(U)s>", before=before)
    server.wait_ready()
    (worker,) = server.ready_pids()
    seen = lambda: open(f"/proc/{worker}/root{log}").read()  # noqa: E731
    with server.connect() as client:
        for number in range(40):
            assert client.get("/" + "a" * 200 + str(number)).status == 200
        torn = seen()
        assert len(torn) == 4096 and not torn.endswith(">\n")
        assert client.get("/room").status == 200
        for number in range(3):
            assert client.get(f"/after{number}").status == 200
    eventually(lambda: "</after2>" in seen(), "there is room again")
    lines = seen()[1:].splitlines()
    assert "</after0>" in lines and "</after2>" in lines
    whole = [line for line in lines if line.startswith("<") and line.endswith(">")]
    assert len(whole) == len(lines) - 1, [line for line in lines if line not in whole]
    assert processes.alive(worker)

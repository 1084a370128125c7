"""Log files that are rotated away: USR1 makes the master and every worker open new ones."""

import re
import signal

from harness.client import Client
from harness.load import Load
from harness.waiting import eventually


def test_usr1_moves_every_process_to_the_new_files(launch, app, tmp_path):
    app.copy("hello.py")
    error, access = tmp_path / "error.log", tmp_path / "access.log"
    server = launch("app:app", "-w", "2", "--error-logfile", error, "--access-logfile", access)
    eventually(lambda: error.exists() and error.read_text().count("worker ready") == 2, "two workers are ready")
    line = next(line for line in error.read_text().splitlines() if "listening" in line)
    server._port = int(line.rpartition(":")[2].strip('"'))
    with Load(server, clients=4, keep_alive=False) as load:
        load.flows()
        rotated = tmp_path / "error.log.1", tmp_path / "access.log.1"
        error.rename(rotated[0])
        access.rename(rotated[1])
        server.signal(signal.SIGUSR1)
        eventually(lambda: error.exists() and "log files reopened" in error.read_text(), "the master goes on in the new file")
        eventually(access.exists, "the access log is there again")
        # A worker that still writes to the old file would make it grow.
        size = None

        def settled():
            nonlocal size
            before, size = size, rotated[1].stat().st_size
            load.flows()
            return before == size

        eventually(settled, "nobody writes to the old access log")
        load.assert_nothing_failed(at_least=40)
    count = lambda path: len(path.read_text().splitlines())  # noqa: E731
    eventually(lambda: count(rotated[1]) + count(access) == load.answered, "every request is in one of the two files")
    server.terminate()
    assert server.wait_exit() == 0
    assert "stopping" in error.read_text() and "stopping" not in rotated[0].read_text()


def test_a_new_file_that_cannot_be_made_leaves_the_old_one(launch, app, tmp_path):
    app.copy("hello.py")
    logs = tmp_path / "logs"
    logs.mkdir()
    error = logs / "error.log"
    access = tmp_path / "access.log"
    server = launch("app:app", "-w", "1", "--error-logfile", error, "--access-logfile", access)
    eventually(lambda: error.exists() and "worker ready" in error.read_text(), "the worker is ready")
    moved = tmp_path / "moved"
    logs.rename(moved)
    access.rename(tmp_path / "access.log.1")
    server.signal(signal.SIGUSR1)
    eventually(lambda: (moved / "error.log").read_text().count("log files not reopened") == 2, "master and worker say so in the old file")
    port = re.search(r"listening address=\S*:(\d+)", (moved / "error.log").read_text()).group(1)
    with Client.tcp("127.0.0.1", int(port)) as client:
        client.get("/after")
    eventually(lambda: "/after" in access.read_text(), "the access log goes on in its new file")


def test_a_full_disk_is_said_once_on_standard_error(launch, app):
    app.copy("hello.py")
    server = launch("app:app", "--error-logfile", "/dev/full")
    server.log.wait("the error log /dev/full cannot be written, lines are dropped: no space left on device")
    server.terminate()
    assert server.wait_exit() == 0
    server.log.wait_end()
    said = server.log.find("cannot be written")
    pids = [line.split("] [")[1] for line in said]
    assert len(pids) == len(set(pids)), server.log.text()


def test_a_full_disk_below_the_access_log_is_said_once_in_the_error_log(serve, app):
    app.copy("hello.py")
    server = serve(None, "--access-logfile", "/dev/full", workers=1)
    for _ in range(3):
        server.get()
        server.log.wait("the access log cannot be written, lines are dropped.*no space left on device")
    server.terminate()
    assert server.wait_exit() == 0
    server.log.wait_end()
    assert len(server.log.find("the access log cannot be written")) == 1

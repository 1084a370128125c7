"""Root writes in directories that other users own: links there must not lead it to other files."""

import os
import stat
import pwd
import signal
import subprocess

import pytest
from harness.waiting import eventually

# Not for the binary: it starts the interpreter as the user, who may not have access to it.
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root")
NOBODY = pwd.getpwnam("nobody")


def give(path):
    os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid, follow_symlinks=False)
    return path


@pytest.fixture
def theirs(app, tmp_path):
    """A directory of the user nobody."""
    for directory in [app.path, *app.path.parents]:
        if directory.stat().st_uid == os.getuid() and str(directory).startswith("/tmp/pytest"):
            directory.chmod(0o755)
    path = tmp_path / "theirs"
    path.mkdir()
    return give(path)


@pytest.fixture
def victim(tmp_path):
    path = tmp_path / "victim"
    path.write_text("root's\n")
    path.chmod(0o600)
    yield path
    assert path.read_text() == "root's\n"
    assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (0, 0o600)


def link(path, target):
    path.symlink_to(target)
    return give(path)


def refused(server):
    assert server.wait_exit() == 1
    assert f"made by user {NOBODY.pw_uid}, leads to what is not that user's" in server.log.wait_end()


@pytest.mark.parametrize("way", ["fd/7", "root"])
def test_a_link_into_a_process(launch, app, theirs, victim, way):
    """Its directory in /proc belongs to the user of the process, whoever owns the file."""
    victim.chmod(0o644)
    holder = subprocess.Popen(["sh", "-c", 'exec 7<"$1"; echo; read x', "sh", str(victim)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, user=NOBODY.pw_uid, group=NOBODY.pw_gid, extra_groups=[])
    try:
        assert holder.stdout.readline() == b"\n"
        end = way if way != "root" else f"root{theirs}/own.log"
        own = theirs / "own.log"
        own.touch()
        give(own)
        log = link(theirs / "error.log", f"/proc/{holder.pid}/{end}")
        app.write("raise ValueError('a line of the app')\n")
        refused(launch("app:app", "--error-logfile", log))
    finally:
        holder.communicate(b"\n")
        victim.chmod(0o600)


def test_a_fifo_in_the_place_of_the_pid_file_is_neither_read_nor_replaced(launch, app, theirs):
    app.copy("hello.py")
    os.mkfifo(theirs / "rgun.pid")
    server = launch("app:app", "--pid", theirs / "rgun.pid")
    assert server.wait_exit() == 1
    assert "something that is not a regular file is in its place" in server.log.wait_end()
    assert stat.S_ISFIFO((theirs / "rgun.pid").stat().st_mode)


@pytest.mark.parametrize("option", ["--pid", "--error-logfile", "--access-logfile"])
def test_a_file_below_a_directory_that_is_their_link(launch, app, theirs, tmp_path, option):
    app.copy("hello.py")
    (tmp_path / "roots").mkdir()
    link(theirs / "place", tmp_path / "roots")
    refused(launch("app:app", "-u", "nobody", option, theirs / "place" / "file"))
    assert not any((tmp_path / "roots").iterdir())


def test_a_socket_below_a_directory_that_is_their_link(launch, app, theirs, tmp_path):
    app.copy("hello.py")
    (tmp_path / "roots").mkdir()
    link(theirs / "place", tmp_path / "roots")
    refused(launch("app:app", "-u", "nobody", bind=f"unix:{theirs}/place/a.sock"))
    assert not any((tmp_path / "roots").iterdir())


@pytest.mark.parametrize("option", ["--error-logfile", "--access-logfile"])
def test_a_log_that_is_their_link(launch, app, theirs, victim, option):
    app.copy("hello.py")
    refused(launch("app:app", "-u", "nobody", option, link(theirs / "a.log", victim)))


def test_a_log_that_is_another_name_of_a_file(launch, app, theirs, victim):
    app.copy("hello.py")
    os.link(victim, theirs / "a.log")
    server = launch("app:app", "-u", "nobody", "--error-logfile", theirs / "a.log")
    assert server.wait_exit() == 1
    assert "another name (a hard link)" in server.log.wait_end()


def test_a_log_that_becomes_their_link_is_not_reopened(launch, app, theirs, victim):
    app.copy("hello.py")
    error, access = theirs / "error.log", theirs / "access.log"
    server = launch("app:app", "-u", "nobody", "--error-logfile", error, "--access-logfile", access)
    eventually(lambda: error.exists() and "worker ready" in error.read_text(), "it is up")
    assert error.stat().st_uid == access.stat().st_uid == NOBODY.pw_uid
    access.rename(theirs / "access.log.1")
    link(access, victim)
    server.signal(signal.SIGUSR1)
    eventually(lambda: error.read_text().count("log files not reopened") == 2, "it is refused, in the worker as well")
    os.unlink(access)
    os.link(victim, access)
    server.signal(signal.SIGUSR1)
    eventually(lambda: error.read_text().count("log files not reopened") == 4, "also the hard link")


def test_a_reload_does_not_follow_their_link(launch, app, theirs, victim):
    app.copy("hello.py")
    app.write("", "rgun.toml")
    server = launch("app:app", "-u", "nobody")
    server.wait_ready()
    app.write(f'error-logfile = "{link(theirs / "error.log", victim)}"\n', "rgun.toml")
    server.reload()
    assert "leads to what is not that user's" in server.log.text()
    assert server.get().status == 200


def test_a_file_of_roots_in_their_directory_stays_roots(launch, app, theirs):
    """They can give it any name in there, also that of the log."""
    app.copy("hello.py")
    log = theirs / "error.log"
    log.write_text("secret\n")
    log.chmod(0o600)
    server = launch("app:app", "-u", "nobody", "--error-logfile", log)
    eventually(lambda: "worker ready" in log.read_text(), "it is up")
    assert log.stat().st_uid == 0
    assert "workers may not be able to reopen this log file" in log.read_text()
    assert server.process.poll() is None


def test_roots_own_links_are_followed(launch, app, tmp_path):
    app.copy("hello.py")
    (tmp_path / "disk").mkdir()
    (tmp_path / "log").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "error.log").symlink_to("today.log")
    server = launch("app:app", "-u", "nobody", "--error-logfile", tmp_path / "log" / "error.log", "--pid", tmp_path / "log" / "rgun.pid")
    today = tmp_path / "disk" / "today.log"
    eventually(lambda: today.exists() and "master" not in today.read_text() and "listening" in today.read_text(), "it logs there")
    assert today.stat().st_uid == NOBODY.pw_uid
    eventually(lambda: (tmp_path / "disk" / "rgun.pid").exists(), "the pid file is there, too")
    assert (tmp_path / "disk" / "rgun.pid").read_text() == f"{server.master}\n"


def test_their_links_to_their_own_files_are_followed(launch, app, theirs):
    app.copy("hello.py")
    (theirs / "logs").mkdir()
    give(theirs / "logs")
    link(theirs / "error.log", theirs / "logs" / "today.log")
    launch("app:app", "-u", "nobody", "--error-logfile", theirs / "error.log")
    today = theirs / "logs" / "today.log"
    eventually(lambda: today.exists() and "worker ready" in today.read_text(), "it logs there")


@pytest.mark.parametrize("target", ["/dev/stdout", "/dev/stderr", "/proc/self/fd/1"])
def test_standard_streams_behind_a_link(launch, app, theirs, target):
    """As in images, which link log files to them; and then give the whole directory away."""
    app.copy("hello.py")
    server = launch("app:app", "-u", "nobody", "--error-logfile", link(theirs / "error.log", target), "--access-logfile", "/dev/null")
    server.wait_ready()
    assert server.get().status == 200


def test_a_fifo_is_a_log(launch, app, tmp_path, theirs):
    app.copy("hello.py")
    fifo = tmp_path / "log.fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        server = launch("app:app", "-u", "nobody", "--error-logfile", fifo)
        said = b""

        def ready():
            nonlocal said
            try:
                said += os.read(reader, 65536)
            except BlockingIOError:
                pass
            return b"worker ready" in said

        eventually(ready, "it logs there")
        assert fifo.stat().st_uid == 0 and server.process.poll() is None
    finally:
        os.close(reader)

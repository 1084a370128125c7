"""Workers under another user: the master binds and watches, the app has no more rights than it needs."""

import grp
import json
import os
import pwd
import signal

import pytest
from harness.waiting import eventually

WHO = """
import json, os

async def app(scope, receive, send):
    with open("/proc/self/status") as file:
        death = None
    facts = {"uid": os.getresuid(), "gid": os.getresgid(), "groups": os.getgroups(), "parent": os.getppid()}
    if scope["path"] == "/root":
        try:
            os.setuid(0)
            facts["root"] = True
        except PermissionError:
            facts["root"] = False
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(facts).encode()})
"""


# Also with a Python in root's home: what a worker needs of it is loaded before.
as_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")
NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def open_directory(app, tmp_path):
    """The app's directory can be reached by everybody."""
    for directory in [app.path, *app.path.parents]:
        if directory.stat().st_uid == os.getuid() and str(directory).startswith("/tmp/pytest"):
            directory.chmod(0o755)
    return app


def who(server, path="/"):
    return json.loads(server.get(path).body)


@as_root
def test_the_workers_drop_what_the_master_keeps(serve, open_directory):
    open_directory.write(WHO)
    server = serve(None, "--user", "nobody")
    facts = who(server, "/root")
    assert facts["uid"] == [NOBODY.pw_uid] * 3 and facts["gid"] == [NOBODY.pw_gid] * 3
    assert facts["groups"] == [NOBODY.pw_gid] and facts["root"] is False
    with open(f"/proc/{server.master}/status") as status:
        assert "Uid:\t0\t0\t0\t0\n" in status.read()


@as_root
def test_log_files_that_an_upgrade_opens_are_the_workers_own(start_installed, open_directory):
    log = open_directory.path / "access.log"
    _, ctl = start_installed("--user", "nobody", "--access-logfile", log, code=WHO)
    assert log.stat().st_uid == NOBODY.pw_uid
    log.rename(log.with_suffix(".1"))
    ctl("upgrade", "--no-reload")
    assert log.stat().st_uid == NOBODY.pw_uid


@as_root
def test_numbers_a_group_and_the_users_groups(serve, open_directory):
    open_directory.write(WHO)
    group = grp.getgrnam("daemon")
    facts = who(serve(None, "-u", NOBODY.pw_uid, "-g", group.gr_name, "--initgroups"))
    assert facts["gid"] == [group.gr_gid] * 3
    assert set(facts["groups"]) == set(os.getgrouplist("nobody", group.gr_gid))


@as_root
def test_a_privileged_port_is_bound_before(launch, open_directory):
    open_directory.write(WHO)
    server = launch("app:app", "-u", "nobody", bind="127.0.0.1:987")
    server.wait_ready()
    server._port = 987
    assert who(server)["uid"][0] == NOBODY.pw_uid


@as_root
def test_the_socket_and_the_logs_belong_to_the_workers(launch, open_directory, tmp_path):
    app = open_directory
    app.write(WHO)
    error, access = tmp_path / "error.log", tmp_path / "access.log"
    server = launch("app:app", "-u", "nobody", "--umask", "0077", "--error-logfile", error, "--access-logfile", access, bind="unix:a.sock")
    eventually(lambda: error.exists() and "worker ready" in error.read_text(), "it is up")
    owners = lambda: [path.stat().st_uid for path in (app.path / "a.sock", error, access)]  # noqa: E731
    assert owners() == [NOBODY.pw_uid] * 3
    error.rename(tmp_path / "error.log.1")
    access.rename(tmp_path / "access.log.1")
    server.signal(signal.SIGUSR1)
    eventually(lambda: error.exists() and access.exists() and owners()[1:] == [NOBODY.pw_uid] * 2, "the new files, too")
    server.get("/")
    eventually(lambda: "GET /" in access.read_text(), "the worker writes to the new file")
    assert "not reopened" not in error.read_text() + (tmp_path / "error.log.1").read_text()


@as_root
def test_the_master_is_killed_and_its_workers_leave(serve, open_directory):
    """The death signal is lost with a change of user unless it is set after it; the lifeline does the rest."""
    open_directory.write(WHO)
    server = serve(None, "-u", "nobody", "--graceful-timeout", "1")
    server.signal(signal.SIGKILL)
    eventually(lambda: not server.ready_pids(), "the worker has left")


@as_root
def test_commands_before_the_first_boot_are_run_as_the_workers_are(launch, open_directory):
    open_directory.write(WHO)
    server = launch("app:app", "-u", "nobody", "--run-before", "id -u")
    server.wait_ready()
    assert str(NOBODY.pw_uid) in server.log.lines


@pytest.mark.parametrize(("option", "kind"), [("--user", "user"), ("--group", "group")])
def test_somebody_unknown_is_a_clear_error(launch, app, option, kind):
    app.copy("hello.py")
    server = launch("app:app", option, "no-such-name")
    assert server.wait_exit() == 1
    text = server.log.wait_end()
    assert f"error: find {kind} `no-such-name`: there is no such {kind}" in text and "hint: " in text


@as_root
def test_a_number_without_an_entry_in_passwd_keeps_the_group_and_that_is_said(serve, open_directory):
    open_directory.write(WHO)
    server = serve(None, "-u", "54321")
    facts = who(server)
    assert facts["uid"] == [54321] * 3 and facts["gid"] == [0] * 3
    assert server.log.find("no entry in passwd, workers keep the master's group group=0 hint=\"--group GROUP\"")
    server = serve(None, "-u", "54321", "-g", "54321")
    assert who(server)["gid"] == [54321] * 3 and not server.log.find("no entry in passwd")

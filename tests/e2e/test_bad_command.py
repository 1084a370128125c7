"""A wrong command line or an impossible listener: one line with the problem and its place, exit code 1 or 2, nothing left behind."""

import os
import socket

import pytest


def refused(server, *expected):
    code = server.wait_exit()
    text = server.log.wait_end()
    assert code in (1, 2), f"exit code {code}\n{text}"
    for part in expected:
        assert part in text, text
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize(
    "options, expected",
    [
        (["-w", "many"], "--workers"),
        (["-t", "soon"], "--timeout"),
        (["--loop", "trio"], "--loop"),
        (["--no-such-option"], "--no-such-option"),
        (["--forwarded-allow-ips", "10.0.0.0/99"], "--forwarded-allow-ips"),
        (["-k", "gevent"], "gevent"),
        (["--limit-request-line", "-5"], "--limit-request-line"),
    ],
)
def test_wrong_value_names_its_option(app, launch, options, expected):
    app.copy("hello.py")
    refused(launch("app:app", *options), expected)


def test_no_app_is_named(launch):
    refused(launch(None, bind=None))


@pytest.mark.both_artifacts
def test_port_in_use(app, launch):
    app.copy("hello.py")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused(launch(bind=f"127.0.0.1:{port}"), f"127.0.0.1:{port}", "in use")


@pytest.mark.parametrize(
    "binds, options",
    [
        (["127.0.0.1:1", "127.0.0.1:1"], []),
        (["unix:a.sock", "unix:./a.sock"], []),
        (["127.0.0.1:1"], ["--admin-bind", "127.0.0.1:1"]),
    ],
)
@pytest.mark.parametrize("check", [[], ["--check-config"]])
def test_address_that_is_given_twice(app, launch, binds, options, check):
    app.copy("hello.py")
    refused(launch("app:app", *options, *check, bind=binds), "is given twice")


def test_address_that_two_names_mean(app, launch):
    app.copy("hello.py")
    with socket.socket() as reserved:
        # Not listening, and left to whoever binds with the same option: the port is no other program's in between.
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        refused(launch(bind=[f"127.0.0.1:{port}", f"127.1:{port}"]), "in use", "this server has opened it already")


def test_more_sockets_are_announced_than_were_passed(app, launch, program):
    app.copy("hello.py")
    program[:0] = ["bash", "-c", 'LISTEN_PID=$$ LISTEN_FDS=99999999 exec "$@"', "bash"]
    try:
        server = launch(bind=None)
    finally:
        del program[:4]
    refused(server, "bind fd://")


def test_second_bind_fails_and_the_first_is_released(app, launch):
    app.copy("hello.py")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused(launch(bind=["unix:first.sock", f"127.0.0.1:{taken.getsockname()[1]}"]), "in use")
    assert not os.path.exists(app.path / "first.sock")


def test_address_of_another_machine(app, launch):
    app.copy("hello.py")
    refused(launch(bind="192.0.2.1:0"), "192.0.2.1")


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_what_is_not_a_socket_is_never_deleted(app, launch, kind):
    app.copy("hello.py")
    place = app.path / "place.sock"
    place.write_text("precious") if kind == "file" else place.mkdir()
    refused(launch(bind="unix:place.sock"), "place.sock")
    assert place.is_dir() or place.read_text() == "precious"


def test_directory_that_does_not_exist(app, launch):
    app.copy("hello.py")
    refused(launch("app:app", "--chdir", "/no/such/directory"), "/no/such/directory")


def test_descriptor_that_is_not_a_socket(app, launch):
    app.copy("hello.py")
    with open(os.devnull) as file:
        refused(launch(bind=f"fd://{file.fileno()}", pass_fds=(file.fileno(),)), "fd://")


def test_pid_file_of_a_running_server(serve, launch, app):
    first = serve("hello.py", "-p", "server.pid")
    refused(launch("app:app", "-p", "server.pid"), "server.pid")
    assert (app.path / "server.pid").read_text().strip() == str(first.master)
    assert first.get().status == 200


def test_check_config_tells_what_is_wrong(app, launch):
    app.copy("hello.py")
    refused(launch("app:app", "--check-config", "-w", "0.5"), "--workers")

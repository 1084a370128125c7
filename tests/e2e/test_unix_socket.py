"""Listening on a path: reachable for a proxy of another user, gone at the end, never in the way of a successor."""

import os
import socket
import stat
import tempfile

import pytest

from harness.client import Client


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.mark.both_artifacts
def test_answers_and_is_removed_at_the_end(serve, app):
    server = serve("hello.py", bind="unix:here.sock", workers=2)
    with server.connect() as client:
        assert client.get().status == 200
    server.terminate()
    assert server.wait_exit() == 0
    assert not (app.path / "here.sock").exists()


def test_everybody_may_connect_by_default(serve, app):
    serve("hello.py", bind="unix:here.sock")
    assert mode(app.path / "here.sock") & 0o777 == 0o777


def test_umask_narrows_it_and_only_it(serve, app):
    app.copy("hello.py")
    app.write("import os\nopen('made', 'w').close()\nfrom hello import app\n", "app.py")
    app.copy("hello.py", "hello.py")
    serve(None, "--umask", "0117", bind="unix:here.sock")
    assert mode(app.path / "here.sock") == 0o660


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_proxy_of_another_user_reaches_it(serve, request):
    # pytest's own directories are closed to others.
    directory = tempfile.TemporaryDirectory()
    request.addfinalizer(directory.cleanup)
    os.chmod(directory.name, 0o755)
    place = os.path.join(directory.name, "here.sock")
    serve("hello.py", bind=f"unix:{place}")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            with Client.unix(place, timeout=5) as client:
                code = 0 if client.get().status == 200 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_it_stays_over_a_reload(serve, app):
    server = serve("hello.py", bind="unix:here.sock")
    before = os.stat(app.path / "here.sock").st_ino
    server.reload()
    assert os.stat(app.path / "here.sock").st_ino == before
    with server.connect() as client:
        assert client.get().status == 200


def test_a_stale_socket_is_replaced(serve, app):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(app.path / "here.sock"))
    server = serve("hello.py", bind="unix:here.sock")
    with server.connect() as client:
        assert client.get().status == 200


def test_a_socket_that_somebody_serves_is_not_taken(serve, launch, app):
    first = serve("hello.py", bind="unix:here.sock")
    second = launch(bind="unix:here.sock")
    assert second.wait_exit() in (1, 2)
    assert "in use" in second.log.wait_end()
    with first.connect() as client:
        assert client.get().status == 200


def test_a_successors_socket_is_not_removed(serve, app):
    """Another server took the path in the meantime: ending does not cut it off."""
    server = serve("hello.py", bind="unix:here.sock")
    (app.path / "here.sock").unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(app.path / "here.sock"))
        server.terminate()
        assert server.wait_exit() == 0
        assert (app.path / "here.sock").exists()


def test_forwarding_headers_of_a_unix_peer_count(serve):
    import json

    server = serve("probe.py", bind="unix:here.sock")
    with server.connect() as client:
        found = json.loads(client.get("/scope", [("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "https")]).body)["scope"]
    client_address = found["client"]["tuple"] if isinstance(found["client"], dict) else found["client"]
    assert client_address[0] == "203.0.113.7" and found["scheme"] == "https"

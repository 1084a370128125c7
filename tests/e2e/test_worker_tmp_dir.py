"""`--worker-tmp-dir`: where large uploads wait for a WSGI app. Errors are reported at the start."""

import os

import pytest

from harness import processes
from harness.waiting import eventually

APP = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"%d" % len(environ["wsgi.input"].read())]
"""
SIZE = 4_000_000


@pytest.fixture
def directory(app):
    app.write(APP)
    path = app.path / "waiting"
    path.mkdir()
    return path


def test_a_large_upload_waits_there(serve, directory):
    server = serve(None, "--worker-tmp-dir", "waiting")
    (worker,) = server.ready_pids()

    def files():
        return [link for link in processes.descriptors(worker).values() if link.startswith(f"{directory}/")]

    assert files() == []
    with server.connect() as client:
        client.request("POST", "/", [("Content-Length", str(SIZE))], bytes(SIZE - 1))
        (file,) = eventually(files, "the upload is in a file")
        assert file.endswith(" (deleted)") and os.listdir(directory) == []
        client.send(b"x")
        assert client.response().body == b"%d" % SIZE
        eventually(lambda: not files(), "it is gone with its request")


@pytest.mark.parametrize(("path", "complaint"), [
    ("nowhere", "nowhere` does not exist"), ("app.py", "app.py` is not a directory"), ("/proc", "create a file in /proc: "),
])
def test_one_that_is_of_no_use_is_an_error(launch, directory, path, complaint):
    server = launch("app:app", "--worker-tmp-dir", path)
    assert server.wait_exit() == 1
    text = server.log.wait_end()
    assert "error: --worker-tmp-dir: " in text and complaint in text


def test_an_empty_tmpdir_is_none(launch, directory):
    server = launch("app:app", "--check-config", env={"TMPDIR": ""})
    assert server.wait_exit() == 0
    assert "temporary files" not in server.log.wait_end()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_one_that_only_the_master_may_write_to_is_told_at_the_start(launch, directory):
    """gunicorn's file is made by the master; such a configuration must not fail."""
    for parent in [directory.parent, *directory.parents]:
        if str(parent).startswith("/tmp/pytest"):
            parent.chmod(0o755)
    directory.chmod(0o700)
    server = launch("app:app", "--worker-tmp-dir", "waiting", "--user", "nobody")
    server.log.wait(f"no temporary files.*directory={directory}")
    server.wait_ready()
    with server.connect() as client:
        assert client.post("/", bytes(SIZE)).body == b"%d" % SIZE

"""`--spool-limit`: how much of a request or of a response waits in a file for a WSGI app or for a slow client."""

import os
import subprocess

import pytest
from harness import processes
from harness.waiting import eventually
from harness.monitored import Admin

APP = """
import os
MADE = 0
def app(environ, start_response):
    global MADE
    path = environ["PATH_INFO"]
    if path == "/made":
        start_response("200 OK", [])
        return [b"%d" % MADE]
    if path == "/refuse":
        start_response("401 Unauthorized", [("Content-Length", "0")])
        return []
    if path == "/first":
        # Of an upload that may have no end.
        got = len(environ["wsgi.input"].read(3_000_000))
        start_response("200 OK", [("Content-Length", "7")])
        return [b"%d" % got]
    if path == "/all":
        start_response("200 OK", [])
        return [b"%d" % len(environ["wsgi.input"].read())]
    if path == "/block":
        start_response("200 OK", [])
        return [b"x" * 40_000_000]
    start_response("200 OK", [])
    def blocks():
        global MADE
        for _ in range(4000):
            MADE += 65536
            yield b"x" * 65536
    return blocks()
"""


def files(server, directory):
    """Bytes of the worker's unnamed files there."""
    (worker,) = server.ready_pids()
    found = 0
    for number, link in processes.descriptors(worker).items():
        if link.startswith(f"{directory}/"):
            found += os.stat(f"/proc/{worker}/fd/{number}").st_size
    return found


@pytest.fixture
def directory(app):
    (app.path / "waiting").mkdir()
    return app.path / "waiting"


@pytest.fixture
def served(serve, app, directory):
    app.write(APP)

    def served(*arguments, **named):
        return serve(None, "--worker-tmp-dir", "waiting", *arguments, workers=1, **named)

    return served




def test_an_app_that_refuses_by_the_head_has_nothing_kept_for_it(served, directory):
    server = served()
    with server.connect() as client:
        client.request("POST", "/refuse", [("Content-Length", "3000000000")], b"x" * 100_000)
        assert client.response().status == 401
        assert files(server, directory) == 0


@pytest.mark.parametrize("length", ["5", "500000", "5000000"])
def test_the_app_answers_before_a_client_that_expects_100_continue_has_sent_anything(served, length):
    server = served("--threads", "2")
    with server.connect() as client:
        client.request("POST", "/refuse", [("Content-Length", length), ("Expect", "100-continue")])
        response = client.response()
        assert response.status == 401 and not response.interim
    with server.connect() as client:
        client.request("POST", "/all", [("Content-Length", length), ("Expect", "100-continue")])
        assert client.read(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"x" * int(length))
        assert client.response().text == length


def test_an_endless_upload_reaches_the_app_as_it_comes(served, directory):
    server = served("--spool-limit", "1m")
    with server.connect(timeout=30) as client:
        client.request("POST", "/first", [("Transfer-Encoding", "chunked")])
        block = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        for _ in range(64):
            client.send(block)
        assert client.response().text == "3000000"
    eventually(lambda: files(server, directory) == 0, "its file is gone")


@pytest.mark.parametrize("size", [1_500_000, 5_000_000])
def test_uploads_on_both_sides_of_the_limit_are_whole(served, size):
    server = served("--spool-limit", "2m")
    for headers, body in [
        ([("Content-Length", str(size))], b"x" * size),
        ([("Transfer-Encoding", "chunked")], b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"x" * size)),
    ]:
        with server.connect(timeout=30) as client:
            client.request("POST", "/all", headers, body)
            assert client.response().text == str(size)


def test_an_app_gets_no_further_ahead_of_a_client_that_does_not_read(served, directory):
    """The kernel's buffers, what is kept in memory, and the file."""
    server = served("--threads", "2", "--spool-limit", "2m")
    with server.connect(receive_buffer=65536, timeout=30) as client:
        client.request(target="/blocks")
        client.head()
        seen = []

        def settled():
            seen.append(int(server.get("/made").text))
            return len(seen) > 20 and seen[-1] == seen[-20]

        eventually(settled, "the app waits")
        assert seen[-1] < 12 << 20
        assert 0 < files(server, directory) <= 2 << 20
        total = 0
        while chunk := client.chunk():
            total += len(chunk)
        assert total == 4000 * 65536


def test_one_block_above_the_limit_is_sent_from_where_it_is(served, directory):
    """More than memory and files may keep: its thread waits, and nothing is copied."""
    server = served("--threads", "2", "--spool-limit", "1m")
    with server.connect(receive_buffer=65536, timeout=30) as client:
        client.request(target="/block")
        assert client.head().header("content-length") == "40000000"
        assert server.get("/made").text == "0" and files(server, directory) == 0
        assert len(client.read(40_000_000)) == 40_000_000


def test_without_files_bodies_still_arrive(served, directory):
    server = served("--threads", "2", "--spool-limit", "0")
    with server.connect(timeout=30) as client:
        assert client.post("/all", b"x" * 3_000_000).text == "3000000"
        client.request(target="/blocks")
        client.head()
        total = 0
        while chunk := client.chunk():
            total += len(chunk)
        assert total == 4000 * 65536
    assert files(server, directory) == 0 and not server.log.find("no temporary files")


@pytest.fixture
def small_device(directory):
    if os.getuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "small", directory], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    yield
    subprocess.run(["umount", "--lazy", directory], check=True)


def test_a_full_device_is_a_507_with_a_reason(small_device, served, directory):
    server = served("--admin-bind", "127.0.0.1:0")
    with server.connect(timeout=30) as client:
        client.request("POST", "/all", [("Content-Length", "3000000")], b"x" * 2_000_000)
        response = client.response()
        assert response.status == 507 and b"no space for the request body" in response.body
    server.log.wait("request refused.*status=507 reason=\"no space for the request body\"")
    server.log.wait("no temporary files.*No space left")
    with server.connect() as client:
        assert client.post("/all", b"x" * 900_000).text == "900000"
    assert Admin(server).total("rgun_spool_failures_total") >= 1

"""PEP 3333, number by number: wsgi.file_wrapper."""

import os

import pytest

from harness.waiting import eventually
from harness.wsgi_probe import another, probe  # fixtures

DATA = bytes(n * 7 % 251 for n in range(300_000))


@pytest.mark.parametrize(
    "kind, expected, framing",
    [
        ("plain", DATA, "length"), ("unbuffered", DATA, "chunked"), ("offset", DATA[15:], "length"), ("short", DATA[:1000], "length"),
        ("bytes", b"from memory" * 5000, "chunked"), ("no-fileno", b"a" * 10 + b"b" * 10, "chunked"), ("pipe", b"through a pipe", "chunked"),
        ("gzip", b"unpacked" * 100, "chunked"), ("temporary", b"temporary" * 1000, "length"), ("empty", b"", "length"), ("at-end", b"", "length"),
    ],
)
def test_wsgi_046_file_wrapper(probe, kind, expected, framing):
    with probe.connect() as client:
        for _ in range(2):
            response = client.get(f"/wrapped?{kind}")
            assert response.body == expected
            assert response.framing == framing
        assert client.get("/ignore").text == "ignored"


def test_wsgi_046_files_without_a_size_are_read(probe):
    assert b"VmRSS" in probe.get("/wrapped?proc").body


def test_wsgi_046_a_part_of_a_file_is_no_error(serve, app):
    app.write("""
import io
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "100")])
    if environ["PATH_INFO"] == "/memory":
        return environ["wsgi.file_wrapper"](io.BytesIO(b"x" * 500), 200)
    file = open(__file__.replace("app.py", "data"), "rb")
    file.seek(10)
    return environ["wsgi.file_wrapper"](file)
""")
    (app.path / "data").write_bytes(DATA)
    server = serve(None)
    with server.connect() as client:
        assert client.get("/").body == DATA[10:110]
        assert client.get("/memory").body == b"x" * 100
    server.terminate()
    assert server.wait_exit() == 0
    assert "content-length" not in server.log.wait_end()


def test_wsgi_046_the_file_is_closed(probe):
    before = len(probe.closed("tracked"))
    probe.get("/wrapped?unbuffered")
    assert len(probe.closed("tracked")) == before + 1
    descriptors = len(os.listdir(f"/proc/{probe.ready_pids()[0]}/fd"))
    for _ in range(20):
        probe.get("/wrapped?plain")
    eventually(lambda: len(os.listdir(f"/proc/{probe.ready_pids()[0]}/fd")) <= descriptors, "no descriptor is left open")


def test_wsgi_046_as_a_plain_iterable(probe):
    assert probe.get("/wrapped-late").text == "ABC"


WRITTEN = """
import os

BLOCK = os.urandom(8 << 20)

def app(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(BLOCK) + os.path.getsize("data")))])
    write(BLOCK)
    with open("block", "wb") as copy:
        copy.write(BLOCK)
    return environ["wsgi.file_wrapper"](open("data", "rb"))
"""


def test_wsgi_046_a_file_behind_a_block_that_the_client_has_not_read(another, tmp_path):
    (tmp_path / "written.py").write_text(WRITTEN)
    (tmp_path / "data").write_bytes(os.urandom(1 << 20))
    server = another(spec="written:app")
    with server.connect(receive_buffer=65536) as client:
        found = client.get("/")
    assert found.body == (tmp_path / "block").read_bytes() + (tmp_path / "data").read_bytes()


def test_wsgi_046_head_of_a_file(probe):
    with probe.connect() as client:
        client.request("HEAD", "/wrapped?plain")
        assert client.response("HEAD").header("content-length") == str(len(DATA))
        assert client.get("/ignore").text == "ignored"

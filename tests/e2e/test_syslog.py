"""Syslog: the records that a server gets, compared with gunicorn's."""

import os
import re
import socket
import subprocess
import sys

import pytest
from harness.client import Client
from harness.waiting import eventually


class Syslog:
    """Datagrams as they come."""

    def __init__(self, family, address):
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(20)
        self.got = []

    def wait(self, pattern):
        regex = re.compile(pattern)
        while True:
            for text in self.got:
                match = regex.search(text)
                if match:
                    return match
            self.got.append(self.socket.recv(65536).decode())

    def close(self):
        self.socket.close()


@pytest.fixture
def udp():
    server = Syslog(socket.AF_INET, ("127.0.0.1", 0))
    yield server
    server.close()


def test_messages_and_requests(serve, udp):
    port = udp.socket.getsockname()[1]
    server = serve("hello.py", "--log-syslog", "--log-syslog-to", f"udp://127.0.0.1:{port}")
    server.get("/there?x=1")
    pid = udp.wait(r"^<14>gunicorn\.app\.app\.error: \[(\d+)\] worker ready slot=0 [^\n\0]*\0$").group(1)
    assert int(pid) == server.master
    line = udp.wait(r'^<14>gunicorn\.app\.app\.access: \[(\d+)\] (127\.0\.0\.1 - - \[[^]]*\] "GET /there\?x=1 HTTP/1\.1" 200 13 "-" "[^"]*")\0$')
    assert int(line.group(1)) in server.ready_pids()
    assert server.log.find("worker ready"), "the error log goes on"


def test_prefix_facility_and_only_messages(serve, app, udp):
    port = udp.socket.getsockname()[1]
    options = ["--log-syslog", "--log-syslog-to", f"udp://127.0.0.1:{port}", "--log-syslog-prefix", "shop", "--log-syslog-facility", "local3", "--disable-redirect-access-to-syslog"]
    server = serve("hello.py", *options)
    server.get("/there")
    server.terminate()
    udp.wait(r"^<158>gunicorn\.shop\.error: \[\d+\] stopping")
    assert not any(".access:" in text for text in udp.got)


def test_a_unix_socket(serve, app):
    syslog = Syslog(socket.AF_UNIX, str(app.path / "log"))
    try:
        server = serve("hello.py", "--log-syslog", "--log-syslog-to", f"unix://{app.path}/log#dgram")
        server.get("/there")
        syslog.wait(r'^<14>gunicorn\.app\.app\.access: .*"GET /there')
    finally:
        syslog.close()


def test_tcp(serve, app):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = serve("hello.py", "--log-syslog", "--log-syslog-to", f"tcp://127.0.0.1:{listener.getsockname()[1]}", "--disable-redirect-access-to-syslog")
        server.wait_ready()
        listener.settimeout(20)
        master, _ = listener.accept()
        with master, master.makefile("rb") as lines:
            for line in lines:
                assert re.match(rb"<\d+>gunicorn\.app\.app\.error: \[\d+\] .*\n$", line), line
                if b"worker ready" in line:
                    break


def test_nobody_there_costs_nothing_but_the_lines(serve, app):
    """A socket that is not there, and one whose owner does not read."""
    server = serve("hello.py", "--log-syslog", "--log-syslog-to", f"unix://{app.path}/gone#dgram")
    assert server.get("/").status == 200
    server.log.wait(r"syslog lines dropped lines=\d+")
    deaf = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    deaf.bind(str(app.path / "deaf"))
    server = serve("hello.py", "--log-syslog", "--log-syslog-to", f"unix://{app.path}/deaf#dgram")
    with server.connect() as client:
        for _ in range(2000):
            assert client.get("/").status == 200
    server.log.wait(r"syslog lines dropped lines=\d+")
    deaf.close()


def test_an_access_log_that_nobody_reads_costs_syslog_no_line(serve, app, udp):
    """A pipe takes 64 KiB, and 256 KiB wait for it."""
    pipe = app.path / "pipe"
    os.mkfifo(pipe)
    unread = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        address = f"udp://127.0.0.1:{udp.socket.getsockname()[1]}"
        server = serve("hello.py", "--access-logfile", pipe, "--log-syslog", "--log-syslog-to", address)
        with server.connect() as client:
            for _ in range(500):
                assert client.get("/" + "x" * 1000).status == 200
            for number in range(20):
                client.get(f"/later-{number}")
                udp.wait(f"GET /later-{number} ")
    finally:
        os.close(unread)


WSGI = '''
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
'''


def test_a_request_is_what_gunicorn_sends(launch, app):
    pytest.importorskip("gunicorn")
    app.path.joinpath("app.py").write_text(WSGI)
    sent = []
    for program in ("rgun", "gunicorn"):
        syslog = Syslog(socket.AF_INET, ("127.0.0.1", 0))
        options = ["--log-syslog", "--log-syslog-to", f"udp://127.0.0.1:{syslog.socket.getsockname()[1]}", "--log-syslog-prefix", "x"]
        if program == "rgun":
            server = launch("app:app", "-k", "sync", *options, bind="unix:rgun.sock")
            server.log.wait("worker ready")
            process = None
        else:
            command = [sys.executable, "-m", "gunicorn", "--no-control-socket", "app:app", "-b", "unix:gunicorn.sock", *options]
            process = subprocess.Popen(command, cwd=app.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            eventually(lambda: (app.path / f"{program}.sock").exists(), "it listens", timeout=20)
            with Client.unix(str(app.path / f"{program}.sock"), timeout=10) as client:
                client.get("/a?b", [("User-Agent", "me")])
            text = syslog.wait(r"\.access: ").string
            sent.append(re.sub(r"\[[^]]*\]", "[]", text).replace(": []  - -", ": [] - - -"))
        finally:
            if process:
                process.terminate()
                process.wait(20)
            syslog.close()
    assert sent[0] == sent[1]


@pytest.mark.parametrize(("option", "value"), [("--log-syslog-to", "localhost:514"), ("--log-syslog-facility", "nonsense")])
def test_a_wrong_value_is_told(launch, app, option, value):
    app.copy("hello.py")
    server = launch("app:app", "--log-syslog", option, value)
    assert server.wait_exit() == 1
    assert option in server.log.wait_end()

"""Hosts of metrics and logs whose names are not known yet, or not soon: the server serves before they are resolved, and resolves them later."""

import os
import socket
import struct
import subprocess
import threading

import pytest
from harness.waiting import eventually

pytestmark = [pytest.mark.both_artifacts]
NAME = "metrics.internal.example"


def mounts():
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


needs_mounts = pytest.mark.skipif(not mounts(), reason="no mount namespace can be made here")


@pytest.fixture
def server_of():
    """A server of metrics or logs: what comes, and its port."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.settimeout(30)
    yield receiver
    receiver.close()


def port(receiver):
    return receiver.getsockname()[1]


def wait_for(receiver, wanted):
    while wanted not in receiver.recv(65536):
        pass


class NameServer:
    """A resolver that answers when it is enabled: every name is 127.0.0.1."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        self.configuration = f"nameserver {address}\noptions timeout:30\n"
        self.asked, self.may_answer = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while True:
            query, client = self.socket.recvfrom(4096)
            if not query:
                return
            self.asked.set()
            self.may_answer.wait()
            end = query.index(b"\0", 12) + 5
            (kind,) = struct.unpack_from("!H", query, end - 4)
            answer = b"\xc0\x0c" + struct.pack("!HHIH4s", 1, 1, 60, 4, bytes([127, 0, 0, 1])) if kind == 1 else b""
            self.socket.sendto(query[:2] + struct.pack("!HHHHH", 0x8180, 1, bool(answer), 0, 0) + query[12:end] + answer, client)

    def close(self):
        self.may_answer.set()
        # An empty datagram ends the thread.
        self.socket.sendto(b"", self.socket.getsockname())
        self.thread.join(5)
        self.socket.close()


@pytest.fixture
def name_server():
    try:
        # Of each process of pytest's its own.
        server = NameServer(f"127.{os.getpid() >> 16 & 255}.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}")
    except PermissionError:
        pytest.skip("only root may be a name server")
    yield server
    server.close()


@pytest.fixture
def within(launch, program, tmp_path):
    """The server with an /etc/hosts and an /etc/resolv.conf of the story's own."""

    def start(*options, hosts="", servers=""):
        (tmp_path / "hosts").write_text("127.0.0.1 localhost\n" + hosts)
        (tmp_path / "resolv.conf").write_text(servers)
        script = f"mount --bind {tmp_path}/hosts /etc/hosts && mount --bind {tmp_path}/resolv.conf /etc/resolv.conf && exec \"$@\""
        prefix = ["unshare", "--mount", "sh", "-c", script, "sh"]
        program[:0] = prefix
        try:
            return launch("app:app", *options)
        finally:
            del program[:len(prefix)]

    return start


@pytest.mark.parametrize("option", ["--statsd-host", "--log-syslog-to"])
def test_a_name_that_nobody_knows_ends_no_start(launch, app, option):
    app.copy("hello.py")
    address = "no-such-host.invalid:8125"
    options = [option, address] if option == "--statsd-host" else ["--log-syslog", option, f"udp://{address}"]
    server = launch("app:app", *options)
    server.wait_ready()
    server.log.wait("host of a log or metrics server does not resolve, trying again host=no-such-host.invalid")
    assert server.get().status == 200
    server.terminate()
    assert server.wait_exit() == 0


@needs_mounts
def test_a_name_that_becomes_known_later(within, app, tmp_path, server_of):
    app.copy("hello.py")
    server = within("-w", "2", "--statsd-host", f"{NAME}:{port(server_of)}", servers="nameserver 127.0.0.1\noptions attempts:1 timeout:1\n")
    server.wait_ready(2)
    server.log.wait(f"does not resolve, trying again host={NAME}")
    with open(tmp_path / "hosts", "a") as hosts:
        hosts.write(f"127.0.0.1 {NAME}\n")
    server.log.wait(f"host of a log or metrics server resolved host={NAME}", timeout=60)
    # Workers that were forked before it was known find it as well.
    def counted():
        server.get()
        server_of.settimeout(0.2)
        try:
            return b"gunicorn.requests:1" in server_of.recv(65536)
        except TimeoutError:
            return False

    eventually(counted, "a worker's metric")
    eventually(lambda: len(server.children()) == 2, "the resolver has left")


@needs_mounts
def test_a_slow_name_server_holds_up_no_reload(within, app, name_server, server_of):
    app.copy("hello.py")
    app.write("", "rgun.toml")
    server = within(servers=name_server.configuration)
    server.wait_ready()
    app.write(f'statsd-host = "{NAME}:{port(server_of)}"\n', "rgun.toml")
    assert "succeeded" in server.reload().group()
    assert name_server.asked.wait(15)
    # Also the next one, while the first name is still being looked for.
    app.write(f'statsd-host = "{NAME}:{port(server_of)}"\nstatsd-prefix = "site"\n', "rgun.toml")
    assert "succeeded" in server.reload().group()
    assert server.get().status == 200
    name_server.may_answer.set()
    wait_for(server_of, b"site.gunicorn.workers:1|g")


@needs_mounts
def test_a_start_does_not_wait_for_a_slow_name_server(within, app, name_server, server_of):
    app.copy("hello.py")
    server = within("--log-syslog", "--log-syslog-to", f"udp://{NAME}:{port(server_of)}", servers=name_server.configuration)
    server.wait_ready()
    assert name_server.asked.is_set()
    name_server.may_answer.set()
    # What was logged before is not lost.
    wait_for(server_of, b"starting")
    wait_for(server_of, b"worker ready")

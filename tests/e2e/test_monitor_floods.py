"""Clients of the monitor that send much, slowly or nothing delay no other."""

import contextlib
import socket
import subprocess
import sys
import time

import pytest

from harness.monitored import watched  # fixture

FLOOD = """
import socket, sys, threading

port, kind = int(sys.argv[1]), sys.argv[2]
request = {
    "probes": b"GET /-/live HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" * 1000,
    "metrics": b"GET /-/metrics HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" * 1000,
    "unread": b"GET /-/metrics HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" * 1000,
    "bodies": (b"POST /-/live HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 1000\\r\\n\\r\\n" + b"x" * 1000) * 100,
}.get(kind)


def take(client):
    while client.recv(1 << 20):
        pass


def flood():
    with socket.create_connection(("127.0.0.1", port)) as client:
        if kind != "unread":
            threading.Thread(target=take, args=(client,), daemon=True).start()
        while True:
            client.sendall(request)


if kind == "connections":
    print("flooding", flush=True)
    while True:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /-/live HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
print("flooding", flush=True)
while True:
    try:
        flood()
    except OSError:
        pass
"""


def percentile_99(admin, count=300):
    times = []
    for _ in range(count):
        began = time.monotonic()
        assert admin.status("/-/live") == 200
        times.append(time.monotonic() - began)
    return sorted(times)[int(count * 0.99) - 1]


@pytest.mark.parametrize("kind", ["probes", "metrics", "unread", "bodies", "connections"])
def test_one_flooding_client_delays_no_other(watched, kind):
    """p99 stays below 50 ms, beyond what this machine takes without a flood: in one of three rounds, since other work of the machine
    also delays."""
    server, admin = watched(1)
    server.wait_ready()
    usual = percentile_99(admin)
    flooding = subprocess.Popen([sys.executable, "-c", FLOOD, str(admin.port), kind], stdout=subprocess.PIPE)
    try:
        assert flooding.stdout.readline() == b"flooding\n"
        assert any(percentile_99(admin) < usual + 0.05 for _ in range(3))
        assert admin.total("rgun_memory_resident_bytes", process="monitor") < 64 << 20, "what a client does not take is not kept"
    finally:
        flooding.kill()
        flooding.communicate()


def test_a_slow_head_and_a_client_at_rest_delay_nobody(watched):
    server, admin = watched(1)
    server.wait_ready()
    usual = percentile_99(admin, 100)
    with contextlib.ExitStack() as clients:
        for part in (b"", b"GET /-/live HT", b"GET /-/live HTTP/1.1\r\nHost:"):
            for _ in range(10):
                client = clients.enter_context(socket.create_connection(("127.0.0.1", admin.port)))
                client.sendall(part)
        assert percentile_99(admin, 100) < usual + 0.05

"""Clients that never stop: a process of their own that writes as fast as it can, and reads whatever comes."""

import contextlib
import os
import subprocess
import sys

# Where the server ends the connection, there is a next one.
_SCRIPT = """
import socket, sys, threading
port, clients = int(sys.argv[1]), int(sys.argv[2])
first, again = [bytes.fromhex(line) for line in sys.stdin]
block = again * (65536 // len(again) + 1)
flooding = threading.Semaphore(0)
def drain(sock):
    try:
        while sock.recv(1 << 20):
            pass
    except OSError:
        pass
def send():
    while True:
        sock = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=drain, args=(sock,), daemon=True).start()
        try:
            sock.sendall(first)
            while True:
                sock.sendall(block)
                flooding.release()
        except OSError:
            sock.close()
for n in range(clients):
    threading.Thread(target=send, daemon=True).start()
for n in range(clients):
    flooding.acquire()
print("flooding", flush=True)
threading.Event().wait()
"""


@contextlib.contextmanager
def flood(server, again, first=b"", clients=1):
    """From each client `first` once, then `again` and again, while the block runs."""
    command = [sys.executable, "-c", _SCRIPT, str(server.port), str(clients)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as process:
        try:
            process.stdin.write(f"{first.hex()}\n{again.hex()}".encode())
            process.stdin.close()
            assert process.stdout.readline() == b"flooding\n"
            yield process
            assert process.poll() is None, "the flood has ended"
        finally:
            process.kill()


def cpu(pid):
    """Seconds of CPU that a process has used, all its threads."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

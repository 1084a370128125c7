"""One run of the program: started, queried, signalled, and always stopped at the end."""

import os
import re
import signal
import socket
import subprocess
import sys

from . import processes
from .client import Client
from .log import Log, fields
from .waiting import PATIENCE, eventually

# Variables of the developer's shell that would change what is tested.
_FOREIGN = ("GUNICORN_CMD_ARGS", "SCRIPT_NAME", "SENDFILE", "WEB_CONCURRENCY", "PORT", "FORWARDED_ALLOW_IPS", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONUNBUFFERED", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID")


class Server:
    """`with Server(program, directory, "app:app", "-w", "2") as server: ...`"""

    def __init__(self, program, directory, spec="app:app", *options, bind="127.0.0.1:0", env=None, pass_fds=()):
        binds = [bind] if isinstance(bind, str) else list(bind or [])
        self.command = [*program, *([spec] if spec else []), *(word for place in binds for word in ("-b", place)), *options]
        self.directory = directory
        self.binds = binds
        environment = {name: value for name, value in os.environ.items() if name not in _FOREIGN and not name.startswith("RGUN_")}
        environment["VIRTUAL_ENV"] = sys.prefix
        # Files are rewritten within one second: bytecode caches compare only seconds and sizes.
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        environment.update(env or {})
        self.process = subprocess.Popen(
            self.command, cwd=directory, env=environment, start_new_session=True, pass_fds=pass_fds,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        self.master = self.process.pid
        self.log = Log(self.process.stdout)
        self._port = None

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.end()

    # What it listens on.

    @property
    def addresses(self):
        return [fields(line)["address"] for line in self.log.find(r"listening .*address=")]

    @property
    def port(self):
        if self._port is None:
            self._port = int(self.log.wait(r'listening .*address="?(?:https?://)?[^ ]*:(\d+)').group(1))
        return self._port

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.port}"

    def connect(self, timeout=10.0, **options):
        if self.binds and self.binds[0].startswith("unix:"):
            path = os.path.join(self.directory, self.binds[0][len("unix:"):])
            return Client.unix(path, timeout=timeout)
        return Client.tcp("127.0.0.1", self.port, timeout=timeout, **options)

    def get(self, path="/", timeout=10.0, headers=()):
        """One GET over a connection of its own."""
        with self.connect(timeout) as client:
            return client.get(path, headers=[("connection", "close"), *headers])

    def refuses_connections(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:
            # It was in the queue of a listener that closed just then.
            return False
        return False

    # Its processes.

    def wait_ready(self, workers=1, generation=None, after=0, timeout=PATIENCE):
        """Wait until that many workers have reported ready; their pids by slot."""
        pattern = r"worker ready" if generation is None else rf"worker ready\b.*\bgeneration={generation}\b"
        self.log.wait(pattern, after=after, count=workers, timeout=timeout)
        found = [fields(line) for line in self.log.find(pattern, after=after)]
        return {int(entry["slot"]): int(entry["pid"]) for entry in found}

    def ready_pids(self):
        """Workers that have reported ready and still run."""
        pids = [int(fields(line)["pid"]) for line in self.log.find(r"worker ready")]
        return [pid for pid in pids if processes.alive(pid)]

    def children(self):
        return processes.children(self.master)

    def signal(self, number, pid=None):
        os.kill(pid or self.master, number)

    # Its ends.

    def freeze(self, pid):
        """SIGSTOP, and wait until it has stopped."""
        self.signal(signal.SIGSTOP, pid)
        eventually(lambda: processes.is_stopped(pid), f"{pid} is stopped")

    def reload(self, timeout=PATIENCE):
        """HUP, and wait for the log line of the outcome."""
        mark = self.log.mark()
        self.signal(signal.SIGHUP)
        return self.log.wait(r"reload (succeeded|rolled back|failed|rejected).*", after=mark, timeout=timeout)

    def terminate(self):
        self.signal(signal.SIGTERM)

    def wait_exit(self, timeout=PATIENCE):
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the server still runs after {timeout:g} s") from None

    def leftovers(self):
        return processes.session(self.master)

    def end(self):
        """End it whatever state it is in; complain when it did not end by itself or left something behind."""
        complaint = None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                complaint = "SIGQUIT did not end the server within 10 s"
        if complaint is None:
            try:
                eventually(lambda: not self.leftovers(), "no process of the server is left", timeout=5)
            except AssertionError as error:
                complaint = f"{error}: {self.leftovers()}"
        processes.kill_session(self.master)
        self.process.wait()
        self.log.wait_end(5)
        self.process.stdout.close()
        if complaint is None and re.search(r"panicked at|Fatal Python error", self.log.text()):
            complaint = "the log tells of a panic or a crash"
        assert complaint is None, f"{complaint}\n{self.log.text()}"

"""Random failures of a bad hour, one after the other. The results are checked from the log and the clients."""

import os
import random
import signal
import time

from . import processes
from .apps import IMPORT_ERROR, SYNTAX_ERROR
from .log import fields
from .waiting import NeverHappened, eventually

# A crash soon after `ready` is held against its slot: more of them in a row, and its pauses are what is tested.
CRASHES_EVERY = 15.0


class Chaos:
    def __init__(self, server, app, good, seed):
        self.server, self.app, self.good = server, app, good
        self.random = random.Random(seed)
        self.count = 0
        self.done = {}
        self.crashed = 0.0
        self.deeds = [
            (6, self.kill), (2, self.crash), (1, self.stop), (3, self.reload), (2, self.reload_broken), (1, self.reload_twice),
            (2, self.more), (2, self.less), (2, self.rotate), (2, self.kill_monitor), (1, self.send_away), (1, self.kill_several),
        ]

    def run(self, seconds):
        """Until then, and until each thing has happened at least once."""
        end = time.monotonic() + seconds
        weights = [weight for weight, _ in self.deeds]
        while time.monotonic() < end or (len(self.done) < len(self.deeds) and time.monotonic() < end + seconds):
            deed = self.random.choices(self.deeds, weights)[0][1]
            if deed() is not False:
                self.done[deed.__name__] = self.done.get(deed.__name__, 0) + 1
            time.sleep(self.random.uniform(0.02, 0.6))

    def ready(self):
        """Pids of workers that have reported ready and still run; also draining ones."""
        said = [int(fields(line)["pid"]) for line in self.server.log.find("worker ready")]
        return [pid for pid in said[-20:] if processes.alive(pid)]

    def signal(self, number, pid=None):
        try:
            os.kill(pid or self.server.master, number)
        except ProcessLookupError:
            pass

    def victim(self, number):
        pids = self.ready()
        # One is left to serve: a server whose every worker is dead keeps its clients waiting, which is another story.
        if len(pids) < 2:
            return False
        self.signal(number, self.random.choice(pids))

    def kill(self):
        return self.victim(signal.SIGKILL)

    def crash(self):
        if time.monotonic() < self.crashed + CRASHES_EVERY:
            return False
        self.crashed = time.monotonic()
        return self.victim(signal.SIGSEGV)

    def stop(self):
        return self.victim(signal.SIGSTOP)

    def send_away(self):
        return self.victim(signal.SIGTERM)

    def kill_several(self):
        for pid in self.ready()[1:]:
            self.signal(signal.SIGKILL, pid)

    def write_good(self):
        self.count += 1
        self.app.write(self.good(self.count))

    def reload(self):
        self.write_good()
        self.signal(signal.SIGHUP)

    def reload_twice(self):
        self.reload()
        time.sleep(self.random.uniform(0, 0.2))
        self.reload()

    def reload_broken(self):
        """The broken code stays until the reload has ended: a worker that is replaced during it fails, and is retried."""
        mark = self.server.log.mark()
        self.app.write(self.random.choice([IMPORT_ERROR, SYNTAX_ERROR, "import os; os._exit(1)"]))
        self.signal(signal.SIGHUP)
        try:
            self.server.log.wait("reload rolled back", after=mark, timeout=5)
        except NeverHappened:
            pass  # It waits for another one, or was begun before the code was broken.
        self.write_good()

    def more(self):
        if len(self.ready()) >= 5:
            return False
        self.signal(signal.SIGTTIN)

    def less(self):
        if len(self.ready()) <= 2:
            return False
        self.signal(signal.SIGTTOU)

    def rotate(self):
        log = self.app.path / "access.log"
        if not log.exists():
            return False
        os.replace(log, self.app.path / "access.log.1")
        self.signal(signal.SIGUSR1)
        eventually(log.exists, "the log was opened again")

    def kill_monitor(self):
        for pid in processes.children(self.server.master):
            try:
                with open(f"/proc/{pid}/comm") as file:
                    if file.read().startswith("rgun: monitor"):
                        self.signal(signal.SIGKILL, pid)
                        return True
            except FileNotFoundError:
                pass
        return False

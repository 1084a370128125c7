"""make soak: clients of every kind for some minutes against workers that are never replaced; then nothing may have grown."""

import argparse
import collections
import os
import random
import shlex
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import visits  # noqa: E402
from harness.server import Server  # noqa: E402
from harness.waiting import eventually  # noqa: E402

#: How much a worker's private memory may grow between the end of the warm-up (a third of the time) and the end.
GROWTH_MB = 1.5
#: Seconds between two lines of the report.
INTERVAL = 10


class Clients:
    """Threads that make one visit after the other, each of a kind drawn by lot."""

    def __init__(self, connect, count):
        self.visits, self.failures = collections.Counter(), []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(connect, random.Random(seed)), daemon=True) for seed in range(count)]
        for thread in self._threads:
            thread.start()

    def _run(self, connect, lot):
        while not self._stop.is_set():
            visit = lot.choice(visits.ALL)
            try:
                visit(connect)
                self.visits[visit.__name__] += 1
            except Exception as error:
                self.failures.append(f"{visit.__name__}: {error!r}")

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


def facts(pid):
    """Of a worker: (private megabytes, descriptors, threads)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    private = sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024
    return round(private, 1), len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))


def soak(program, spec, options, minutes, count):
    """One server; what is wrong in the end, as lines."""
    print(f"==> {spec} {' '.join(options)}", flush=True)
    with Server(program, HERE, spec, "-w", "2", *options) as server:
        workers = sorted(server.wait_ready(2).values())
        before = [facts(pid) for pid in workers]
        clients = Clients(server.connect, count)
        started, warm = time.monotonic(), None
        while (elapsed := time.monotonic() - started) < minutes * 60:
            time.sleep(min(INTERVAL, minutes * 20))
            now = [facts(pid) for pid in workers]
            if warm is None and elapsed >= minutes * 20:
                warm = now
            print(f"{time.monotonic() - started:6.0f} s  {sum(clients.visits.values()):8} visits  (MB, descriptors, threads) {now}", flush=True)
        clients.stop()
        problems = clients.failures[:10]
        try:
            eventually(lambda: all(facts(pid)[1] <= old[1] for pid, old in zip(workers, before)), "descriptors are closed", timeout=60)
        except AssertionError as error:
            problems.append(str(error))
        for pid, old, new in zip(workers, warm, [facts(pid) for pid in workers]):
            if new[0] > old[0] + GROWTH_MB:
                problems.append(f"worker {pid} has grown from {old[0]} to {new[0]} MB")
            if new[2] > old[2]:
                problems.append(f"worker {pid} has {new[2]} threads, had {old[2]}")
        problems += [f"a visit was never made: {visit.__name__}" for visit in visits.ALL if not clients.visits[visit.__name__]]
        server.terminate()
        if code := server.wait_exit(60):
            problems.append(f"exit code {code}")
    print(f"    {dict(clients.visits)}")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", help="an rgun that is installed")
    parser.add_argument("--minutes", type=float, default=5, help="for each of the three servers (default: 5)")
    parser.add_argument("--clients", type=int, default=8)
    args = parser.parse_args()
    program = shlex.split(args.program)
    found = []
    for spec, *options in (["asgi_app:app", "--loop", "asyncio"], ["asgi_app:app", "--loop", "uvloop"], ["wsgi_app:app", "--threads", "4"]):
        found += [f"{spec} {' '.join(options)}: {problem}" for problem in soak(program, spec, options, args.minutes, args.clients)]
    for problem in found:
        print(problem, file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()

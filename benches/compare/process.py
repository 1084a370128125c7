"""A server's process tree: started on its own CPU, its CPU time and memory read from /proc. Knows no HTTP."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third (state) on; None when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def prefer(nice: int) -> None:
    """Sets the priority, in a child that is in a session of its own: where sessions share the CPU equally (sched(7),
    autogroup) a process's nice value counts only within its session, and it is the session's that must be set."""
    if nice:
        os.nice(nice)
        autogroup = Path("/proc/self/autogroup")
        if autogroup.exists():
            autogroup.write_text(str(nice))


class Tree:
    """A command and all its descendants, in a session of their own."""

    def __init__(self, command: list[str], cpu: int, nice: int, cwd: Path, env: dict[str, str], log: Path) -> None:
        def prepare() -> None:
            os.sched_setaffinity(0, {cpu})  # inherited by every thread and process that follows
            prefer(nice)

        self.log = log
        self.started = time.monotonic()
        with log.open("wb") as out:
            self.root = subprocess.Popen(
                command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True, preexec_fn=prepare,
            )

    def pids(self) -> set[int]:
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit() and (fields := stat(int(entry))) and fields[0] != "Z":
                parents[int(entry)] = int(fields[1])
        found, last = {self.root.pid} & parents.keys(), set()
        while found != last:
            last = found
            found = found | {pid for pid, parent in parents.items() if parent in found}
        return found

    def cpu_seconds(self, pids: set[int]) -> float:
        """User and system time of all threads, and of children that were waited for."""
        ticks = 0
        for pid in pids:
            if fields := stat(pid):
                ticks += sum(int(field) for field in fields[11:15])
        return ticks / TICK

    def pss_mb(self) -> float:
        """Proportional set size: what is shared with other processes is divided among them."""
        total = 0
        for pid in self.pids():
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        return total / 1024

    def log_tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])

    def stop(self) -> None:
        """TERM, then KILL for whatever is left of the session: a benchmark leaves nothing behind."""
        if not self.has_ended():
            os.kill(self.root.pid, signal.SIGTERM)
        deadline = time.monotonic() + 4
        while not self.has_ended() and time.monotonic() < deadline:
            time.sleep(0.01)
        # The root is not waited for yet, so the number of its process group cannot be anyone else's.
        os.killpg(self.root.pid, signal.SIGKILL)
        self.root.wait()

    def has_ended(self) -> bool:
        return os.waitid(os.P_PID, self.root.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def machine_busy_seconds(cpus: tuple[int, ...]) -> float:
    """How long these CPUs have worked, for whomever."""
    busy = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name in {f"cpu{cpu}" for cpu in cpus}:
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
            busy += user + nice + system + irq + softirq + steal
    return busy / TICK

"""Facts of the server's processes from /proc, and `kill_session`."""

import os
import signal


def _stat(pid):
    """Of a process, or as `12/task/13` of a thread."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name is in parentheses and may contain anything.
    return text.rpartition(")")[2].split()


def state(pid):
    """`R`, `S`, `Z`, ... or None when there is no such process."""
    fields = _stat(pid)
    return fields[0] if fields else None


def alive(pid):
    return state(pid) not in (None, "Z", "X")


def _all():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def children(pid):
    return [child for child in _all() if (fields := _stat(child)) and int(fields[1]) == pid]


def session(sid):
    """Every process of a session, zombies too."""
    return [pid for pid in _all() if (fields := _stat(pid)) and int(fields[3]) == sid]


def kill_session(sid):
    for pid in session(sid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def zombies(pid):
    return [child for child in children(pid) if state(child) == "Z"]


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def is_stopped(pid):
    """Every thread: one that has not got the signal yet may do much before it does."""
    return all(state(f"{pid}/task/{thread}") == "T" for thread in os.listdir(f"/proc/{pid}/task"))


def descriptors(pid):
    """What each open descriptor of a process is: number -> link. Without files of /proc, which are open only while they are read."""
    links = {}
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            link = os.readlink(f"/proc/{pid}/fd/{number}")
        except FileNotFoundError:
            continue
        if not link.startswith("/proc/"):
            links[int(number)] = link
    return links


def _status(pid, name):
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith(name + ":"):
                return line.split(":", 1)[1].strip()
    return None


def resident(pid):
    """Resident memory in bytes."""
    return int(_status(pid, "VmRSS").split()[0]) * 1024


def private(pid):
    """Memory of its own in bytes: without the pages of executables and libraries, whose number depends on how they were built."""
    return int(_status(pid, "RssAnon").split()[0]) * 1024


def unshared(pid):
    """Memory in bytes that it has written to, and that no other process maps any more."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Private_Dirty:")) * 1024


def signal_mask(pid, kind="SigBlk"):
    """Signal numbers in a mask of `status`: SigBlk, SigIgn, SigCgt."""
    bits = int(_status(pid, kind), 16)
    return {number for number in range(1, 65) if bits >> (number - 1) & 1}


def cpu_seconds(pid):
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

"""Assigns each lost request to a worker's death: exact, because the app records each request that it begins, when, and in which process."""

import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from .log import fields

# For the text of an app: its first statement on a request is `begin(scope)`. One write to a file opened for appending stays in one
# piece, and what was written outlives the process.
NOTES = """
_begun = os.open("begun", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
def begin(scope):
    name = dict(scope["headers"])[b"x-load-request"].decode()
    os.write(_begun, f"{name} {os.getpid()} {time.monotonic()}\\n".encode())
"""

# Seconds between the end of a connection, as the client's thread sees it, and the log's line of the death, as the log's thread does:
# both are woken at once, and each waits for a CPU.
NEAR = 0.5

# How a death looks from outside. Nothing else is excused: no refusal, no silence, no answer that is none.
ENDINGS = ("reset", "closed without an answer", "answer cut")


@dataclass
class Blame:
    """Each loss is in one of the first four.

    wrong: nothing explains it. running, kept: pid -> losses of requests that it had begun, and of those that went to it on a connection
    on which it had answered before. unseen: on a new connection, which some worker took and then died before its app saw the request;
    which worker, nobody can know.
    """

    wrong: list = field(default_factory=list)
    running: Counter = field(default_factory=Counter)
    kept: Counter = field(default_factory=Counter)
    unseen: list = field(default_factory=list)
    # Seconds between a loss and the death, at most.
    latest: float = 0.0
    # Of the requests that were answered on new connections: seconds from the client's connect to the app.
    ways: list = field(default_factory=list)

    def likely_unseen(self, deaths, seconds, workers):
        """How many unseen losses so many deaths bring by chance: a death finds as many requests on the way to its worker as arrive there
        (at most, since all of the way counts and not just the end of it that is the worker's own) while one takes that way. Three
        standard deviations are left to chance."""
        way = sorted(self.ways)[len(self.ways) * 95 // 100]
        expected = deaths * len(self.ways) / seconds / workers * way
        return expected + 3 * math.sqrt(expected)

    def __str__(self):
        return (
            f"{sum(self.running.values())} lost while they ran, {sum(self.kept.values())} on a kept connection of a worker that died, "
            f"{len(self.unseen)} not seen by an app, all within {1000 * self.latest:.0f} ms of a death"
        )


def deaths(log):
    """pid -> when its death by a signal was logged."""
    with log._changed:
        lines = list(zip(log.lines, log.times))
    return {int(fields(line)["pid"]): when for line, when in lines if re.search(r'worker (died|exited) .*exit="?SIG', line)}


def begun(path):
    """Name of a request -> (pid, when) of each time that it was begun."""
    found = defaultdict(list)
    for line in path.read_text().splitlines():
        name, pid, when = line.split()
        found[name].append((int(pid), float(when)))
    return found


def judge(loads, path, log):
    """Holds all that these loads lived through against the app's notes and the log. The app answers with its pid."""
    dead, notes, blame = deaths(log), begun(path), Blame()
    for load in loads:
        # An answer, but not a good one.
        blame.wrong += [detail for detail in load.details if detail[1].startswith("status")]
        for exchange in load.exchanges:
            by = notes[exchange.name]
            if [pid for pid, _ in by] != [int(exchange.body)]:
                blame.wrong.append((exchange, by))
            elif exchange.before is None:
                blame.ways.append(by[0][1] - exchange.started)
        for lost in load.lost:
            _charge(blame, lost, notes[lost.name], dead)
    return blame


def _charge(blame, lost, by, dead):
    near = {pid: abs(when - lost.ended) for pid, when in dead.items() if abs(when - lost.ended) <= NEAR}
    # Only the client may start a request again: a second start of the same one is an error.
    excused = lost.kind in ENDINGS and len(by) <= 1 and (by or lost.kind != "answer cut")
    if by:
        pid, account = by[0][0], blame.running
    elif lost.before is not None:
        pid, account = int(lost.before), blame.kept
    else:
        pid, account = None, None
    if excused and pid in near:
        account[pid] += 1
        blame.latest = max(blame.latest, near[pid])
    elif excused and pid is None and near:
        blame.unseen.append((lost, near))
    else:
        blame.wrong.append((lost, by, {"died": dead.get(pid), "near": near}))

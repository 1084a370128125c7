"""The server's stderr and stdout as they come: kept, searchable, waited for. Read by a thread, so that the pipe never fills."""

import re
import threading
import time

from .waiting import PATIENCE, NeverHappened

_FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)')


def fields(line):
    """`slot=0 pid=12 path="/a b"` as a dict of strings."""
    return {name: value.strip('"') for name, value in _FIELD.findall(line)}


class Log:
    def __init__(self, stream):
        self._stream = stream
        self._changed = threading.Condition()
        self._ended = False
        self.lines = []
        self.times = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for raw in self._stream:
            with self._changed:
                self.lines.append(raw.decode("utf-8", "replace").rstrip("\n"))
                self.times.append(time.monotonic())
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def mark(self):
        """A place in the log: `wait(..., after=mark)` looks only behind it."""
        with self._changed:
            return len(self.lines)

    def find(self, pattern, after=0):
        with self._changed:
            return [line for line in self.lines[after:] if re.search(pattern, line)]

    def wait(self, pattern, timeout=PATIENCE, after=0, count=1):
        """The `count`-th line that matches, as a match object."""
        deadline = time.monotonic() + timeout
        regex, seen, at = re.compile(pattern), 0, after
        with self._changed:
            while True:
                while at < len(self.lines):
                    match = regex.search(self.lines[at])
                    at += 1
                    if match:
                        seen += 1
                        if seen == count:
                            return match
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    why = "the log ended" if self._ended else f"not within {timeout:g} s"
                    raise NeverHappened(f"log line {pattern!r} ({seen} of {count}): {why}\n{self.text()}")
                self._changed.wait(left)

    def wait_end(self, timeout=PATIENCE):
        """All that was written, once every writer has gone."""
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise NeverHappened(f"somebody still holds the server's stderr after {timeout:g} s")
        return self.text()

    def text(self):
        return "\n".join(self.lines)

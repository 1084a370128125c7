"""One of the servers that are compared: how it is started, and where its output goes."""

import re
import signal
import sys
from pathlib import Path

from harness import processes
from harness.response import Cut, Malformed, NoResponse
from harness.server import Server
from harness.waiting import PATIENCE, eventually

SUBJECTS = ["gunicorn", "rgun"]
_LISTENING = {"gunicorn": r"Listening at: http://127\.0\.0\.1:(\d+)", "rgun": r"listening address=http://127\.0\.0\.1:(\d+)"}
# `[2025-01-01 12:00:00 +0000] [4711] [INFO] text`
_LINE = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[\d+\] \[(DEBUG|INFO|WARNING|ERROR|CRITICAL)\] \S")


class Running(Server):
    def __init__(self, subject, *arguments, **keywords):
        self.subject = subject
        super().__init__(*arguments, **keywords)

    @property
    def port(self):
        if self._port is None:
            self._port = int(self.log.wait(_LISTENING[self.subject.name]).group(1))
        return self._port

    def wait_serving(self, path="/", timeout=PATIENCE):
        """Until a request is answered; the answer."""
        def answer():
            try:
                return self.get(path)
            except (OSError, AssertionError, Cut, Malformed, NoResponse):
                return None

        return eventually(answer, "the server answers", timeout=timeout, interval=0.05)

    def workers(self):
        """Pids of the worker processes."""
        return sorted(pid for pid in self.children() if processes.alive(pid) and not _is_helper(pid, self.subject.name))

    def wait_workers(self, count):
        return eventually(lambda: len(found := self.workers()) == count and found, f"{count} workers run")

    def wait_answers(self, count):
        """Until so many workers have answered with their pids in `X-Pid`: signals do other things while they boot."""
        answered = set()

        def all_of_them():
            answered.add(self.get().header("x-pid"))
            return len(answered) == count

        eventually(all_of_them, f"{count} workers have answered")
        return self.wait_workers(count)

    def error_lines(self):
        """Lines that are neither the app's nor part of a traceback."""
        return [line for line in self.log.lines if _LINE.match(line)]

    def end(self):
        """gunicorn leaves things behind that rgun does not: no error here."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(5)
            except Exception:
                pass
        processes.kill_session(self.master)
        self.process.wait()
        self.log.wait_end(5)
        self.process.stdout.close()


def _is_helper(pid, name):
    """gunicorn's children are workers; rgun has others: the monitor, the hooks."""
    try:
        return name == "rgun" and not Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"rgun: worker")
    except OSError:
        return True


class Subject:
    def __init__(self, name, directory):
        self.name, self.directory = name, directory
        directory.mkdir()
        self.program = [str(Path(sys.executable).parent / name)]
        self.running = []

    def write(self, text, name="app.py"):
        target = self.directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = target.with_suffix(".tmp")
        scratch.write_text(text)
        scratch.rename(target)
        return target

    def start(self, *words, bind="127.0.0.1:0", env=None):
        # Its socket is one for each user, and the runs are side by side.
        return self._run(self.program, *map(str, words), "--no-control-socket", bind=bind, env=env)

    def start_program(self, text, *words):
        """A program that starts gunicorn by itself; for rgun it has one line more."""
        self.write(("import rgun.gunicorn\n" if self.name == "rgun" else "") + text, "product.py")
        return self._run([sys.executable, "product.py"], *words, bind=None)

    def _run(self, program, *words, bind, env=None):
        environment = {"HOME": str(self.directory), "XDG_RUNTIME_DIR": str(self.directory), **(env or {})}
        running = Running(self, program, self.directory, None, *words, bind=bind, env=environment)
        self.running.append(running)
        return running

    def exit_code(self, *words, **keywords):
        return self.start(*words, **keywords).wait_exit(20)

    def close(self):
        for running in self.running:
            running.end()


def mask(text, **known):
    """Volatile parts by their names."""
    for name, value in known.items():
        text = text.replace(str(value), name.upper())
    return text



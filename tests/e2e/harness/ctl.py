"""`rgun ctl` against one server: its output, its exit code, the server's status."""

import json
import subprocess


class Ctl:
    def __init__(self, program, socket):
        self.program, self.socket = program, socket

    def command(self, *words):
        return [*self.program, "ctl", "--socket", str(self.socket), *map(str, words)]

    def __call__(self, *words, code=0, timeout=60):
        """What it printed, both streams; its exit code must be that one."""
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=timeout)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def begin(self, *words):
        """The same beside the story: `.end()` waits for it."""
        return Running(subprocess.Popen(self.command(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))

    def status(self):
        return json.loads(self("status", "--json"))

    def workers(self, generation, state="serving"):
        """Pids of that generation's workers in that state."""
        return [one["pid"] for one in self.status()["workers"] if (one["generation"], one["state"]) == (generation, state)]


class Running:
    def __init__(self, process):
        self.process = process

    def end(self, code=0, timeout=60):
        try:
            out, _ = self.process.communicate(timeout=timeout)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
        assert self.process.returncode == code, f"{self.process.args}: {self.process.returncode}\n{out}"
        return out

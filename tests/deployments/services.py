"""PostgreSQL and Redis of the distribution, on the ports and under the names that the generated files have."""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from harness.waiting import eventually


def program(name):
    places = [os.environ.get("PATH", ""), "/usr/sbin", *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))]
    found = shutil.which(name, path=":".join(places))
    assert found, f"{name} is not installed: .ci/services does it"
    return found


class Postgres:
    def __init__(self, directory, password):
        self.directory, self.password = directory, password
        self.user = pwd.getpwnam("postgres")
        directory.mkdir()
        os.chown(directory, self.user.pw_uid, self.user.pw_gid)
        (directory / "password").write_text(password)
        os.chown(directory / "password", self.user.pw_uid, self.user.pw_gid)
        self._run("initdb", "-D", directory / "data", "-U", "shop", "-A", "scram-sha-256", "--pwfile", directory / "password", "--no-sync")
        self.start()
        self.query("CREATE DATABASE shop", database="postgres")

    def _run(self, name, *words):
        subprocess.run([program(name), *map(str, words)], check=True, timeout=120, stdout=subprocess.DEVNULL, user=self.user.pw_uid, group=self.user.pw_gid, extra_groups=[], cwd="/")

    def _pg_ctl(self, *words):
        options = f"-c listen_addresses=127.0.0.1 -c unix_socket_directories={self.directory} -c fsync=off -c max_connections=60"
        self._run("pg_ctl", "-D", self.directory / "data", "-l", self.directory / "log", "-o", options, "-w", *words)

    def start(self):
        self._pg_ctl("start")

    def restart(self):
        self._pg_ctl("-m", "fast", "restart")

    def stop(self):
        self._run("pg_ctl", "-D", self.directory / "data", "-m", "immediate", "-w", "stop")

    def query(self, text, database="shop"):
        done = subprocess.run(
            [program("psql"), "-h", "127.0.0.1", "-U", "shop", "-At", database, "-c", text], capture_output=True, text=True, timeout=60, check=True, env={**os.environ, "PGPASSWORD": self.password},
        )
        return done.stdout.strip()

    def connections(self):
        """Of the site, without the one that asks."""
        return int(self.query("SELECT count(*) FROM pg_stat_activity WHERE datname = 'shop' AND pid <> pg_backend_pid()"))


class Redis:
    def __init__(self, directory):
        self.directory = directory
        directory.mkdir()
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [program("redis-server"), "--port", "6379", "--bind", "127.0.0.1", "--dir", str(self.directory), "--save", "", "--appendonly", "yes", "--logfile", "log"], stdin=subprocess.DEVNULL,
        )
        eventually(lambda: self._ask("ping") == "PONG", "Redis answers")

    def _ask(self, *words):
        return subprocess.run([program("redis-cli"), *words], capture_output=True, text=True, timeout=30).stdout.strip()

    def restart(self):
        self.stop()
        self.start()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

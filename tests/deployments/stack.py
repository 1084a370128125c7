"""The site with its services, as the files of `rgun init compose` describe it, without the containers."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import yaml
from harness import nginx
from harness.client import Client
from harness.waiting import eventually
from services import Postgres, Redis, program

SITE = Path(__file__).parent / "site"
PASSWORD = "of-the-story"


class Stack:
    """A directory with the project and what `rgun init` has written; PostgreSQL, Redis and nginx run."""

    def __init__(self, rgun, directory):
        self.rgun, self.directory, self.port = rgun, directory / "shop", 80
        shutil.copytree(SITE, self.directory)
        done = subprocess.run([*rgun, "init", "compose"], cwd=self.directory, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        self.environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1", "XDG_RUNTIME_DIR": str(directory), **self._variables()}
        self.postgres, self.redis = Postgres(directory / "postgres", PASSWORD), Redis(directory / "redis")
        # As the Dockerfile has it.
        self.run("python", "manage.py", "collectstatic", "--noinput")
        media = self.directory / "media"
        media.mkdir()
        subprocess.run(["mount", "--bind", media, "/srv/media"], check=True)
        self._start_nginx(directory / "nginx")

    def _variables(self):
        """The example of the file of variables, filled in."""
        text = (self.directory / "deploy/compose/web.env.example").read_text().replace("PASSWORD@", f"{PASSWORD}@").replace("POSTGRES_PASSWORD=", f"POSTGRES_PASSWORD={PASSWORD}")
        lines = [line.partition("=") for line in text.splitlines() if line and not line.startswith("#")]
        # What the proxy's container has for an address is this machine's.
        return {**{name: value for name, _, value in lines}, "SECRET_KEY": "of the story", "FORWARDED_ALLOW_IPS": "127.0.0.1"}

    def _start_nginx(self, directory):
        directory.mkdir()
        paths = "".join(f"{name}_temp_path {directory}/{name};" for name in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi"))
        whole = directory / "nginx.conf"
        # The main file of nginx's image, but for the places of its own files.
        whole.write_text(
            f"{nginx.USER} daemon off; pid {directory}/pid; error_log {directory}/error.log; worker_processes 2; events {{}} "
            f"http {{ access_log off; {paths} include {self.directory}/deploy/compose/proxy.conf; }}"
        )
        self.nginx = subprocess.Popen([program("nginx"), "-c", whole], stdin=subprocess.DEVNULL)
        eventually(lambda: (directory / "pid").exists(), "nginx runs")

    def service(self, name):
        """The command of a service in the compose file."""
        compose = yaml.safe_load((self.directory / "compose.yaml").read_text())
        return compose["services"][name]["command"]

    def run(self, *words, **options):
        return subprocess.run(words, cwd=self.directory, env=self.environment, check=True, capture_output=True, text=True, timeout=120, **options)

    @contextmanager
    def serve(self, *more, words=None):
        """The server of the compose file, with further options; the process has `log`, the path of its log."""
        log = self.directory.parent / "web.log"
        log.write_bytes(b"")
        with open(log, "ab") as output:
            server = subprocess.Popen([*(words or self.service("web")), *more], cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        server.log, self.server = log, server
        try:
            eventually(lambda: self.status() == 200 or server.poll() is not None, "the site answers", timeout=60)
            assert server.poll() is None, log.read_text()
            yield server
        finally:
            if server.poll() is None:
                server.send_signal(signal.SIGTERM)
            server.wait(90)

    def ctl(self, *words, check=True):
        done = subprocess.run([*self.rgun, "ctl", "--pid", str(self.server.pid), *words], cwd=self.directory, env=self.environment, capture_output=True, text=True, timeout=120)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def status_of_server(self):
        return json.loads(self.ctl("status", "--json").stdout)

    def connect(self, timeout=20.0, **options):
        return Client.tcp("127.0.0.1", self.port, timeout=timeout, **options)

    def get(self, path="/"):
        with self.connect() as client:
            return client.get(path, headers=[("connection", "close")])

    def text(self, path):
        response = self.get(path)
        assert response.status == 200, response.body[:300]
        return response.text

    def status(self):
        try:
            return self.get("/").status
        except OSError:
            return None

    def close(self):
        self.nginx.send_signal(signal.SIGQUIT)
        self.nginx.wait(30)
        self.redis.stop()
        self.postgres.stop()
        subprocess.run(["umount", "/srv/media"], check=True)

"""`deploy.sh` and nginx's configuration of `rgun init blue-green`, unchanged: releases are switched under load, and none is lost."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from harness import nginx
from harness.client import Client
from harness.load import Load
from harness.waiting import eventually
from names import NameServer
from services import program

pytestmark = pytest.mark.skipif("DEPLOYMENTS_INSIDE" not in os.environ, reason="make deployments runs it in a network of its own")

HERE = Path(__file__).parent
VIEW = "from django.http import HttpResponse\n\n\ndef version(request):\n    return HttpResponse('%s')\n"
SETTINGS = """
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "of the story"
ALLOWED_HOSTS = ["localhost"]
INSTALLED_APPS = ["django.contrib.staticfiles", "shop"]
ROOT_URLCONF = "config.urls"
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
"""


class Site:
    port = 80

    def __init__(self, rgun, directory):
        self.directory, self.state = directory / "shop", directory / "state"
        self.state.mkdir()
        shutil.copytree(HERE / "site", self.directory, ignore=shutil.ignore_patterns("models.py", "tasks.py", "views.py", "migrations", "celery.py", "asgi.py"))
        (self.directory / "config" / "__init__.py").write_text("")
        (self.directory / "config" / "settings.py").write_text(SETTINGS)
        (self.directory / "config" / "urls.py").write_text("from django.urls import path\n\nfrom . import views\n\nurlpatterns = [path('', views.version)]\n")
        subprocess.run([*rgun, "init", "blue-green"], cwd=self.directory, check=True, capture_output=True, timeout=60)
        self.deployment = self.directory / "deploy" / "blue-green"
        (self.deployment / "active").mkdir()
        (self.deployment / "active" / "colour.conf").write_text((self.deployment / "active.conf").read_text())
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/etc/nginx"], check=True)
        Path("/etc/nginx/active").mkdir()
        subprocess.run(["mount", "--bind", self.deployment / "active", "/etc/nginx/active"], check=True)
        paths = "".join(f"{name}_temp_path {directory}/{name};" for name in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi"))
        whole = directory / "nginx.conf"
        whole.write_text(
            f"{nginx.USER} pid {directory}/pid; error_log {directory}/error.log; worker_processes 2; events {{}} "
            f"http {{ access_log off; {paths} include {self.deployment}/nginx.conf; }}"
        )
        programs = directory / "programs"
        programs.mkdir()
        shutil.copy(HERE / "docker", programs / "docker")
        # The interpreter of the tests has what the program needs.
        text = (programs / "docker").read_text()
        (programs / "docker").write_text(text.replace("#!/usr/bin/env python3", f"#!{sys.executable}", 1))
        path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin"
        self.environment = {**os.environ, "PATH": path, "STATE": str(self.state), "NGINX": str(whole), "XDG_RUNTIME_DIR": str(directory), "FORWARDED_ALLOW_IPS": "127.0.0.1"}
        self.nginx = subprocess.Popen([program("nginx"), "-c", whole, "-g", "daemon off;"], stdin=subprocess.DEVNULL)
        eventually(lambda: (directory / "pid").exists(), "nginx runs")

    def release(self, version, broken=False):
        (self.directory / "config" / "views.py").write_text(VIEW % version if not broken else "raise KeyError('broken')\n")
        return self.deploy()

    def deploy(self, *words):
        return subprocess.run([self.deployment / "deploy.sh", *words], env=self.environment, capture_output=True, text=True, timeout=200)

    def connect(self, timeout=20.0, **options):
        return Client.tcp("127.0.0.1", self.port, timeout=timeout, **options)

    def version(self):
        with self.connect() as client:
            response = client.get("/", headers=[("connection", "close")])
        return response.text if response.status == 200 else response.status

    def close(self):
        for path in self.state.glob("*.pid"):
            os.kill(int(path.read_text()), signal.SIGTERM)
        self.nginx.send_signal(signal.SIGQUIT)
        self.nginx.wait(30)


@pytest.fixture
def site(rgun, tmp_path):
    names = NameServer({"blue": "127.0.0.2", "green": "127.0.0.3"})
    site = Site(rgun, tmp_path)
    yield site
    site.close()
    names.close()


def done(deployed):
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr


def test_releases_are_switched_and_rolled_back_under_load(site):
    done(site.release("1"))
    assert site.version() == "1"
    # One connection for each request: an nginx that reloads closes idle connections, also those on which a request is on its way.
    with Load(site, clients=8, keep_alive=False) as load:
        load.flows(50)
        for version in ("2", "3"):
            done(site.release(version))
            load.flows(50)
            assert site.version() == version
        # A release that does not boot: nothing changes.
        failed = site.release("4", broken=True)
        assert failed.returncode != 0 and site.version() == "3"
        load.flows(50)
        done(site.deploy("rollback"))
        load.flows(50)
        assert site.version() == "2"
        load.assert_nothing_failed(at_least=300)
        print(f"\n2 releases, a broken one and a rollback: {load.answered} requests, {len(load.failures)} lost, {dict(load.bodies())}")

"""The Dockerfile that `rgun init compose` writes, built by podman as it is, for each way in which projects name their requirements."""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
import urllib.request

import pytest
import yaml

IMAGE = "docker.io/library/python:3.11-slim"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
FASTAPI = "from fastapi import FastAPI\n\napp = FastAPI()\n\n\n@app.get('/')\ndef hello():\n    return 'hello'\n"
FLASK = "from flask import Flask\n\napp = Flask(__name__)\n\n\n@app.get('/')\ndef hello():\n    return 'hello'\n"
STARLETTE = (
    "from starlette.applications import Starlette\nfrom starlette.responses import PlainTextResponse\nfrom starlette.routing import Route\n\n\n"
    "async def hello(request):\n    return PlainTextResponse('hello')\n\n\napp = Starlette(routes=[Route('/', hello)])\n"
)
PROJECT = '[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["fastapi"]\n'
BUILT = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
POETRY = '[tool.poetry]\nname = "shop"\nversion = "1"\ndescription = ""\nauthors = []\npackage-mode = false\n[tool.poetry.dependencies]\npython = ">=3.11,<4"\nfastapi = "*"\n'
SETUP = "from setuptools import setup\nsetup(name='shop', version='1', py_modules=['app'], install_requires=['flask'])\n"
PIPFILE = '[[source]]\nurl = "https://pypi.org/simple"\nverify_ssl = true\nname = "pypi"\n[packages]\nflask = "*"\n'

SQLITE = (
    "import sqlite3\n\nfrom fastapi import FastAPI\n\ndb = sqlite3.connect('shop.db', check_same_thread=False)\n"
    "db.execute('create table if not exists visits (id integer)')\n\napp = FastAPI()\n\n\n@app.get('/')\ndef hello():\n"
    "    with db:\n        db.execute('insert into visits values (1)')\n    return 'hello'\n"
)

PROJECTS = {
    "requirements": {"main.py": FASTAPI, "requirements.txt": "fastapi\n"},
    "pyproject": {"main.py": FASTAPI, "pyproject.toml": PROJECT},
    "package": {"src/main.py": FASTAPI, "pyproject.toml": PROJECT + BUILT},
    "uv": {"main.py": FASTAPI, "pyproject.toml": PROJECT, "LOCK": "uv lock"},
    "poetry": {"main.py": FASTAPI, "pyproject.toml": POETRY},
    "poetry-lock": {"main.py": FASTAPI, "pyproject.toml": POETRY, "LOCK": "poetry lock"},
    "setup": {"app.py": FLASK, "setup.py": SETUP},
    "pipfile": {"app.py": FLASK, "Pipfile": PIPFILE},
    "none-fastapi": {"main.py": FASTAPI},
    "none-flask": {"app.py": FLASK},
    "none-starlette": {"app.py": STARLETTE},
    "none-sqlite": {"main.py": SQLITE},
    # As `django-admin startproject` makes it: SQLite, no STATIC_ROOT.
    "none-django": {},
}


def podman(*words, check=True, timeout=900):
    done = subprocess.run(["podman", *words], capture_output=True, text=True, timeout=timeout)
    assert not check or done.returncode == 0, f"podman {' '.join(words)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


def limits():
    """Podman's defaults are higher than a machine in a container may set."""
    for name, kind in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC)):
        soft, hard = resource.getrlimit(kind)
        limit = min(4096, soft, hard) if min(soft, hard) > 0 else 4096
        yield from ("--ulimit", f"{name}={limit}:{limit}")


def has_json():
    try:
        with urllib.request.urlopen("https://pypi.org/pypi/fastapi/json", timeout=30) as response:
            return response.status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def base():
    """The name under which the Dockerfile finds Python, and this tree's wheel in it (.ci/python-image)."""
    if not shutil.which("podman"):
        pytest.skip("no podman")
    if podman("image", "exists", IMAGE, check=False).returncode:
        pytest.skip("no base image: .ci/python-image makes one")


def locked(directory, command):
    """The lock of a project, made by its own tool."""
    tool, *arguments = command.split()
    environment = directory.parent / "tool"
    subprocess.run(["python3", "-m", "venv", environment], check=True, timeout=120)
    subprocess.run([environment / "bin" / "pip", "install", "--quiet", tool], check=True, timeout=600)
    subprocess.run([environment / "bin" / tool, *arguments], cwd=directory, check=True, timeout=600, capture_output=True, env={"SSL_CERT_FILE": CERTIFICATES, "REQUESTS_CA_BUNDLE": CERTIFICATES, **os.environ})


@pytest.mark.parametrize("kind", PROJECTS)
def test_the_image_is_built_and_serves(base, rgun, tmp_path, kind):
    directory = tmp_path / "shop"
    for name, text in PROJECTS[kind].items():
        if name != "LOCK":
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    if kind == "none-django":
        directory.mkdir()
        subprocess.run([sys.executable, "-m", "django", "startproject", "config", directory], check=True, timeout=60)
    (directory / ".python-version").write_text("3.11\n")
    if kind.startswith("poetry") and not has_json():
        pytest.skip("this registry does not have the JSON that Poetry resolves with")
    if command := PROJECTS[kind].get("LOCK"):
        locked(directory, command)
    done = subprocess.run([*rgun, "init", "compose"], cwd=directory, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert ("missing" in done.stdout) == kind.startswith("none"), done.stdout
    [compose] = yaml.safe_load_all((directory / "compose.yaml").read_text())
    web = compose["services"]["web"]
    volumes = [part for volume in web.get("volumes", ()) for part in ("--volume", f"rgun-image-{kind}-{volume}")]
    tag = f"localhost/rgun-image-{kind}"
    podman("build", "--network", "host", "--runtime", "runc", "--cgroup-manager", "cgroupfs", "-t", tag, str(directory))
    # As the compose file that is written beside it runs it.
    name = podman(
        "run", "--runtime", "runc", "--cgroup-manager", "cgroupfs", "-d", *limits(), "--network", "host", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", *volumes, tag, *web["command"]
    ).stdout.strip()
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen("http://127.0.0.1:8000/", timeout=5) as response:
                    assert (b"hello" if kind != "none-django" else b"installed successfully") in response.read()
                break
            except OSError:
                state = json.loads(podman("inspect", name).stdout)[0]["State"]
                assert state["Running"] and time.monotonic() < deadline, podman("logs", name).stderr
                time.sleep(0.2)
        assert podman("exec", name, "rgun", "ctl", "status").returncode == 0
        assert podman("exec", name, "id", "-u").stdout.strip() == "10001"
        begun = time.monotonic()
        podman("stop", "--time", "40", name)
        assert time.monotonic() - begun < 20
        state = json.loads(podman("inspect", name).stdout)[0]["State"]
        assert state["ExitCode"] == 0, podman("logs", name).stderr
    finally:
        podman("rm", "-f", name)
        podman("rmi", "-f", tag)
        for volume in volumes[1::2]:
            podman("volume", "rm", "-f", volume.split(":")[0])

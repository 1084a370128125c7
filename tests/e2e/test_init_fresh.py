"""`rgun init` in a project as `django-admin startproject` makes it (SQLite, no STATIC_ROOT): what is written starts, what is left out is said."""

import json
import os
import shlex
import subprocess
import sys

import pytest
import yaml


@pytest.fixture
def fresh(tmp_path):
    directory = tmp_path / "shop"
    directory.mkdir()
    subprocess.run([sys.executable, "-m", "django", "startproject", "config", str(directory)], check=True, timeout=60)
    (directory / "requirements.txt").write_text("Django\n")
    return directory


@pytest.fixture
def init(program, fresh):
    def init(*words):
        return subprocess.run([*program, "init", *words], cwd=fresh, capture_output=True, text=True, timeout=60, env={**os.environ, "NO_COLOR": "1"})

    return init


def files(directory):
    return sorted(path.relative_to(directory) for path in directory.rglob("*") if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts)


@pytest.mark.parametrize("target", ["compose", "blue-green"])
def test_the_container_of_a_fresh_project_starts_on_a_read_only_root(init, fresh, launch, tmp_path, target):
    done = init(target)
    assert done.returncode == 0, done.stderr
    assert "missing  database: db.sqlite3 (SQLite) is not copied into the image" in done.stdout
    assert "missing  static files: not served (the admin has no style): config.settings sets no STATIC_ROOT" in done.stdout
    assert "missing  variables: SECRET_KEY, DEBUG, ALLOWED_HOSTS" in done.stdout
    path = fresh / ("compose.yaml" if target == "compose" else "deploy/blue-green/compose.yaml")
    compose = yaml.safe_load(path.read_text())
    web = compose["services"]["web" if target == "compose" else "blue"]
    assert web["read_only"] and web["volumes"] == ["data:/data"] and "data" in compose["volumes"]
    assert "Static files are not served" in path.read_text() and "Static files are not served" in (fresh / "Dockerfile").read_text()
    # As the image has it, with the volume in another place.
    [link] = [line for line in (fresh / "Dockerfile").read_text().splitlines() if "ln -sf" in line]
    volume = tmp_path / "data"
    command = link.removeprefix("RUN ").replace("-o 10001 -g 10001 ", "").replace("/data", str(volume)).replace("/app", str(fresh))
    subprocess.run(["sh", "-ec", command], check=True, timeout=60)
    before = files(fresh)
    migrate = "python manage.py migrate --noinput"
    runs_it = path if target == "compose" else path.with_name("deploy.sh")
    assert migrate in runs_it.read_text()
    programs = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    server = launch(web["command"][1], "--run-before", migrate, "--ready-path", "/admin/login/", directory=fresh, env={"PATH": programs})
    server.wait_ready()
    assert server.get("/admin/login/").status == 200
    # SQLite's journal, too, is where the file is.
    assert files(fresh) == before and (volume / "db.sqlite3").stat().st_size > 0


def test_pods_do_not_share_a_file(init, fresh):
    before = files(fresh)
    done = init("kubernetes")
    assert done.returncode == 1
    assert "error: shop keeps its data in SQLite (db.sqlite3), a file that pods cannot share" in done.stderr
    assert "hint: name a database server in the settings" in done.stderr
    assert files(fresh) == before
    (fresh / "requirements.txt").write_text("Django\npsycopg\n")
    done = init("kubernetes")
    assert done.returncode == 0 and "database" not in done.stdout, done.stdout


def test_the_service_of_a_fresh_project(init, fresh):
    done = init("systemd")
    assert done.returncode == 0 and "missing  database: db.sqlite3 (SQLite) has to be in /var/lib/shop" in done.stdout
    unit = (fresh / "deploy" / "systemd" / "shop.service").read_text()
    assert "#   ln -sf /var/lib/shop/db.sqlite3 /srv/shop/db.sqlite3" in unit
    assert "\nExecStartPre=/usr/bin/env python manage.py migrate --noinput\nExecStart=" in unit


def test_what_was_kept_says_why(init, fresh):
    assert init("compose").returncode == 0
    done = init("systemd")
    assert "kept     rgun.toml (it may have changes of your own; remove it first to have it written anew)" in done.stdout
    (fresh / "rgun.toml").unlink()
    (fresh / "gunicorn.conf.py").write_text("workers = 2\n")
    done = init("systemd", "--force")
    assert "left out rgun.toml (gunicorn.conf.py configures the server)" in done.stdout


def test_with_a_static_root_nothing_is_left_out(init, fresh):
    settings = fresh / "config" / "settings.py"
    text = settings.read_text().replace("ALLOWED_HOSTS = []", "ALLOWED_HOSTS = os.environ['ALLOWED_HOSTS'].split(',')")
    settings.write_text(f"import os\n{text}\nSTATIC_ROOT = BASE_DIR / 'staticfiles'\n")
    done = init("compose")
    assert "static files" not in done.stdout and "missing  variables: SECRET_KEY, DEBUG: " in done.stdout
    command = json.loads((fresh / "Dockerfile").read_text().split("\nCMD ")[1].splitlines()[0])
    assert command[-2:] == ["--static", "django"]
    done = init("procfile")
    assert "missing  database: SQLite: these hosts start every release" in done.stdout
    [web] = [line for line in (fresh / "Procfile").read_text().splitlines() if line.startswith("web: ")]
    assert "--static" in shlex.split(web)

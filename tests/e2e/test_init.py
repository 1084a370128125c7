"""`rgun init`: what it writes is accepted by the programs it is for, and nothing of the project is overwritten."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml
from harness import nginx
from harness.nginx import Nginx
from harness.waiting import eventually

TARGETS = ("systemd", "nginx", "compose", "kubernetes", "blue-green", "github-actions", "procfile", "monitoring")


@pytest.fixture
def run(program, tmp_path):
    def run(*words, directory=None):
        return subprocess.run(
            [*program, *words], cwd=directory or tmp_path, capture_output=True, text=True, timeout=60, env={**os.environ, "NO_COLOR": "1"},
        )

    return run


@pytest.fixture
def shop(tmp_path):
    """A Django project as `startproject` makes it, with what a deployment adds."""
    directory = tmp_path / "shop"
    directory.mkdir()
    subprocess.run([sys.executable, "-m", "django", "startproject", "config", str(directory)], check=True, timeout=60)
    settings = directory / "config" / "settings.py"
    settings.write_text(settings.read_text() + "\nSTATIC_ROOT = BASE_DIR / 'staticfiles'\n")
    (directory / "requirements.txt").write_text("Django\npsycopg[binary]\nredis\ncelery\n")
    (directory / "config" / "celery.py").write_text("")
    return directory


def documents(path):
    return [document for document in yaml.safe_load_all(path.read_text()) if document is not None]


def words_of(directory):
    return [path.relative_to(directory) for path in sorted(directory.rglob("*")) if path.is_file()]


@pytest.mark.wheel
@pytest.mark.both_artifacts
def test_every_target_is_written_once(run, shop):
    for target in TARGETS:
        first = run("init", target, directory=shop)
        assert first.returncode == 0, first.stderr
        assert "shop serves config.wsgi:application" in first.stdout
    before = {path: (shop / path).read_bytes() for path in words_of(shop)}
    for target in TARGETS:
        again = run("init", target, directory=shop)
        assert again.returncode == 1
        assert "already exists" in again.stderr and "--force" in again.stderr
    assert {path: (shop / path).read_bytes() for path in words_of(shop)} == before
    (shop / "Procfile").write_text("mine")
    (shop / "rgun.toml").write_text("workers = 3\n")
    assert run("init", "procfile", "--force", directory=shop).returncode == 0
    assert (shop / "Procfile").read_text() != "mine"
    assert run("init", "systemd", "--force", directory=shop).returncode == 0
    assert (shop / "rgun.toml").read_text() == "workers = 3\n"


def test_what_is_printed_is_not_written(run, shop):
    before = words_of(shop)
    shown = run("init", "systemd", "--print", "--name", "store", directory=shop)
    assert shown.returncode == 0
    assert "ExecStart=/usr/bin/env rgun config.wsgi:application -b fd://http" in shown.stdout
    assert "deploy/systemd/store.service" in shown.stdout
    assert words_of(shop) == before


def test_the_settings_it_writes_start_the_project(run, shop):
    assert run("init", "systemd", directory=shop).returncode == 0
    checked = run("--check-config", "config.wsgi:application", directory=shop)
    assert checked.returncode == 0, checked.stderr


def test_the_units_verify(run, shop, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    assert run("init", "systemd", directory=shop).returncode == 0
    units = shop / "deploy" / "systemd"
    verified = subprocess.run(
        ["systemd-analyze", "verify", str(units / "shop.service"), str(units / "shop.socket")], capture_output=True, text=True, timeout=60,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"},
    )
    ours = [line for line in verified.stderr.splitlines() if "shop." in line]
    assert not ours, verified.stderr


@pytest.mark.parametrize(("target", "path"), [("nginx", "deploy/nginx/shop.conf"), ("compose", "deploy/compose/proxy.conf")])
def test_nginx_accepts_the_configuration(run, shop, tmp_path, target, path):
    assert run("init", target, directory=shop).returncode == 0
    # The container's name is not known here.
    site = tmp_path / "site.conf"
    site.write_text((shop / path).read_text().replace("server web:", "server 127.0.0.1:").replace("listen 80", "listen 127.0.0.1:18080"))
    whole = tmp_path / "nginx.conf"
    whole.write_text(f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; include {site}; }}")
    tested = subprocess.run([nginx.PROGRAM, "-t", "-q", "-p", str(tmp_path), "-c", str(whole)], capture_output=True, text=True, timeout=60)
    assert tested.returncode == 0, tested.stderr


SEES = """
def application(environ, start_response):
    start_response("200 OK", [])
    return [environ["REMOTE_ADDR"].encode()]
"""


@pytest.mark.parametrize(("target", "path"), [("nginx", "nginx/shop.conf"), ("compose", "compose/proxy.conf"), ("blue-green", "blue-green/nginx.conf")])
@pytest.mark.parametrize("trust", ["written", "*"])
def test_a_client_cannot_choose_its_address(run, shop, tmp_path, launch, app, target, path, trust):
    assert run("init", target, directory=shop).returncode == 0
    deploy = shop / "deploy"
    if trust == "written":
        assert run("init", "compose", "--force", directory=shop).returncode == 0
        example = deploy / "compose" / "web.env.example"
        [trust] = [line.partition("=")[2] for line in example.read_text().splitlines() if line.startswith("FORWARDED_ALLOW_IPS=")]
        assert "*" not in trust
    app.write(SEES)
    server = launch("app:application", "--forwarded-allow-ips", trust)
    server.wait_ready()
    listener = nginx.listen()
    port = listener.getsockname()[1]
    (tmp_path / "active.conf").write_text("set $colour 127.0.0.1;")
    text = (deploy / path).read_text().replace("listen 80;", f"listen 127.0.0.1:{port};").replace("/etc/nginx/active/colour.conf", str(tmp_path / "active.conf"))
    for old in ("unix:/run/shop.sock", "web:8000"):
        text = text.replace(f"server {old} ", f"server 127.0.0.1:{server.port} ")
    text = text.replace("$colour:8000", f"$colour:{server.port}")
    paths = "".join(f"{name}_temp_path {tmp_path}/{name};" for name in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi"))
    whole = f"{nginx.USER} daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; worker_processes 2; events {{}} http {{ access_log off; {paths} {text} }}"
    with Nginx.of(tmp_path, whole, [listener]) as front:
        seen = front.get("/", headers=[("X-Forwarded-For", "6.6.6.6")], source="127.0.0.2").body
    assert seen == b"127.0.0.2"


def test_nothing_that_is_written_trusts_everyone(run, shop):
    for target in TARGETS:
        assert run("init", target, directory=shop).returncode == 0
    for path in words_of(shop):
        text = (shop / path).read_text(errors="replace")
        assert "FORWARDED_ALLOW_IPS=*" not in text and '--forwarded-allow-ips "*"' not in text, path


def test_compose_has_the_services_of_the_project(run, shop):
    assert run("init", "compose", directory=shop).returncode == 0
    (compose,) = documents(shop / "compose.yaml")
    assert set(compose["services"]) == {"web", "proxy", "worker", "beat", "db", "cache"}
    web = compose["services"]["web"]
    assert web["command"][:2] == ["rgun", "config.wsgi:application"]
    assert int(web["stop_grace_period"].rstrip("s")) > 30
    assert set(web["depends_on"]) == {"db", "cache"}
    image = (shop / "Dockerfile").read_text()
    assert image.count("FROM ") == 2 and "USER 10001" in image and '\nCMD ["rgun"' in image


def test_the_health_check_fails_only_while_nothing_serves(run, shop, launch, app, tmp_path):
    for target in ("compose", "blue-green"):
        assert run("init", target, directory=shop).returncode == 0
    [compose] = documents(shop / "compose.yaml")
    [colours] = documents(shop / "deploy" / "blue-green" / "compose.yaml")
    web = compose["services"]["web"]
    check = web["healthcheck"]["test"]
    assert colours["services"]["blue"]["healthcheck"]["test"] == check
    image = (shop / "Dockerfile").read_text()
    assert json.dumps(check[1:]) in image
    for command in (web["command"], colours["services"]["green"]["command"], json.loads(image.split("\nCMD ")[1].splitlines()[0])):
        assert command[command.index("--admin-bind") + 1] == "127.0.0.1:9000"
    # The services with the same image do not listen there.
    assert all(compose["services"][name]["healthcheck"] == {"disable": True} for name in ("worker", "beat"))
    app.copy("hello.py")
    server = launch("app:app", "-w", "2", "--admin-bind", "127.0.0.1:0")
    server.wait_ready()
    port = eventually(lambda: re.search(r"probes and metrics address=http:..127\.0\.0\.1:(\d+)", server.log.text()), "the monitor's port is logged").group(1)
    words = [sys.executable, *(word.replace("9000", port) for word in check[2:])]

    def healthy():
        return subprocess.run(words, capture_output=True, timeout=60).returncode == 0

    eventually(healthy, "the probe is answered")
    server.terminate()
    server.wait_exit()
    assert not healthy()


def test_kubernetes_is_consistent(run, shop):
    assert run("init", "kubernetes", "--domain", "shop.example.org", directory=shop).returncode == 0
    root = shop / "deploy" / "kubernetes"
    for kustomization in root.rglob("kustomization.yaml"):
        (document,) = documents(kustomization)
        for resource in document.get("resources", []) + document.get("components", []):
            assert (kustomization.parent / resource).exists(), (kustomization, resource)
    by_kind = {document["kind"]: document for path in (root / "base").glob("*.yaml") for document in documents(path)}
    pod = by_kind["Deployment"]["spec"]["template"]["spec"]
    web = pod["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in web["ports"]}
    assert web["args"][:4] == ["rgun", "config.wsgi:application", "-b", f"0.0.0.0:{ports['http']}"]
    assert {web[f"{probe}Probe"]["httpGet"]["port"] for probe in ("startup", "readiness", "liveness")} == {"admin"}
    delay = int(web["args"][web["args"].index("--shutdown-delay") + 1])
    assert pod["terminationGracePeriodSeconds"] > delay + 30
    assert by_kind["Ingress"]["spec"]["rules"][0]["host"] == "shop.example.org"
    names = {document["metadata"]["name"] for kind, document in by_kind.items() if kind != "Kustomization"}
    assert names == {"shop"}


def test_replicas_are_the_autoscaler_s_and_the_job_can_be_applied_alone(run, shop):
    assert run("init", "kubernetes", directory=shop).returncode == 0
    root = shop / "deploy" / "kubernetes"
    [deployment] = documents(root / "base" / "deployment.yaml")
    assert "replicas" not in deployment["spec"]
    for overlay in (root / "overlays").glob("*/kustomization.yaml"):
        [document] = documents(overlay)
        assert "replicas" not in document
    [base] = documents(root / "base" / "kustomization.yaml")
    [job] = documents(root / "components" / "migrate" / "job.yaml")
    [generated] = base["configMapGenerator"]
    assert job["spec"]["template"]["spec"]["containers"][0]["envFrom"][0] == {"configMapRef": {"name": generated["name"]}}
    components = {job["metadata"]["labels"]["app.kubernetes.io/component"], generated["options"]["labels"]["app.kubernetes.io/component"]}
    assert components == {"configuration", "migrate"}
    assert "(configuration, migrate)" in (root / "components" / "migrate" / "kustomization.yaml").read_text()


def test_the_container_s_command_is_understood(run, shop):
    assert run("init", "kubernetes", directory=shop).returncode == 0
    (deployment,) = documents(shop / "deploy" / "kubernetes" / "base" / "deployment.yaml")
    words = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    # The image's build collects them.
    (shop / "staticfiles").mkdir()
    shown = run(*map(str, words[1:]), "--print-config", directory=shop)
    assert shown.returncode == 0, shown.stderr


def test_the_procfile_is_understood(run, shop):
    assert run("init", "procfile", directory=shop).returncode == 0
    lines = dict(line.split(": ", 1) for line in (shop / "Procfile").read_text().splitlines() if not line.startswith("#"))
    assert set(lines) == {"release", "web", "worker"}
    # The host's build collects them.
    (shop / "staticfiles").mkdir()
    shown = run(*shlex.split(lines["web"])[1:], "--print-config", directory=shop)
    assert shown.returncode == 0, shown.stderr


def test_the_script_is_a_script(run, shop):
    assert run("init", "blue-green", directory=shop).returncode == 0
    script = shop / "deploy" / "blue-green" / "deploy.sh"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["sh", "-n", script], timeout=60).returncode == 0
    if shutil.which("shellcheck"):
        checked = subprocess.run(["shellcheck", script], capture_output=True, text=True, timeout=60)
        assert checked.returncode == 0, checked.stdout
    documents(script.with_name("compose.yaml"))
    assert run("init", "github-actions", directory=shop).returncode == 0
    (workflow,) = documents(shop / ".github" / "workflows" / "deploy.yml")
    assert set(workflow["jobs"]) == {"test", "deploy"}


# Images by their tag, containers by their service: files with the number of the build.
DOCKER = """#!/bin/sh
set -eu
cd "$STATE"
case "$*" in
"build -t "*) echo x >> builds; wc -l < builds | tr -d ' ' > "image-$3" ;;
"tag "*) cp "image-$2" "image-$3" ;;
"image inspect "*) test -f "image-$3" ;;
*" up -d --no-deps proxy") ;;
*" up -d --no-deps "*) for colour; do :; done; cp "image-${NEXT_IMAGE:-shop:$colour}" "container-$colour" ;;
*" exec -T "*" rgun ctl wait-ready "*) test ! -f not-ready ;;
*" stop "*) for colour; do :; done; rm -f "container-$colour" ;;
*" run --rm "*) test ! -f no-migration ;;
esac
"""


def test_a_failed_deploy_leaves_the_release_to_go_back_to(run, shop, tmp_path):
    assert run("init", "blue-green", directory=shop).returncode == 0
    state, programs = tmp_path / "state", tmp_path / "programs"
    state.mkdir()
    programs.mkdir()
    (programs / "docker").write_text(DOCKER)
    (programs / "docker").chmod(0o755)
    script = shop / "deploy" / "blue-green" / "deploy.sh"

    def deploy(*words):
        done = subprocess.run([script, *words], capture_output=True, text=True, timeout=60, env={**os.environ, "STATE": str(state), "PATH": f"{programs}:{os.environ['PATH']}"})
        colour = subprocess.run([script, "status"], capture_output=True, text=True, timeout=60).stdout.strip()
        container = state / f"container-{colour}"
        return done.returncode, int(container.read_text()) if container.exists() else None

    # Blue is the first colour, with nothing in it.
    assert deploy("rollback") == (1, None)
    assert deploy() == (0, 1)
    assert deploy() == (0, 2)
    for obstacle in ("not-ready", "no-migration"):
        (state / obstacle).touch()
        code, serving = deploy()
        assert code != 0 and serving == 2, obstacle
        (state / obstacle).unlink()
    assert deploy("rollback") == (0, 1)
    assert deploy("rollback") == (0, 2)
    assert deploy() == (0, 5)
    assert deploy("rollback") == (0, 2)


@pytest.mark.both_artifacts
def test_the_image_of_a_project_without_static_files_starts(run, shop):
    settings = shop / "config" / "settings.py"
    settings.write_text(settings.read_text() + "\nINSTALLED_APPS = ['django.contrib.staticfiles']\nMIDDLEWARE = []\nROOT_URLCONF = None\n")
    assert run("init", "compose", directory=shop).returncode == 0
    lines = (shop / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    (collect,) = [line.removeprefix("RUN ") for line in lines if "collectstatic" in line and line.startswith("RUN ")]
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    done = subprocess.run(["sh", "-c", collect], cwd=shop, capture_output=True, text=True, timeout=60, env={**os.environ, "PATH": path})
    assert done.returncode == 0 and "0 static files copied" in done.stdout, done
    checked = run("config.wsgi:application", "--static", "django", "--check-config", directory=shop)
    assert checked.returncode == 0, checked.stderr


def test_another_word_for_a_target_suggests_it(run, shop):
    for word, target in (("docker", "compose"), ("k8s", "kubernetes"), ("heroku", "procfile"), ("systemmd", "systemd")):
        done = run("init", word, directory=shop)
        assert done.returncode == 2 and target in done.stderr.splitlines()[-1], done.stderr


def test_what_is_no_file_is_not_waited_for(run, tmp_path):
    for name in ("main.py", "manage.py", "requirements.txt", "pyproject.toml", ".python-version"):
        os.mkfifo(tmp_path / name)
    done = run("init", "procfile")
    assert done.returncode == 1 and "no app was found" in done.stderr
    assert run("init", "procfile", "--app", "main:app", "--print").returncode == 0


def test_errors_of_the_system_are_in_plain_words(run, shop):
    done = run("init", "procfile", "--directory", "nowhere", directory=shop)
    assert done.returncode == 1 and done.stderr.startswith("error: nowhere: no such file or directory\n"), done.stderr


def test_what_is_wrong_is_said(run, tmp_path):
    nothing = run("init", "systemd")
    assert nothing.returncode == 1
    assert "no app was found" in nothing.stderr and "--app MODULE:ATTRIBUTE" in nothing.stderr
    for words in (["--name", "../x"], ["--domain", "a b"], ["--app", "a b"], ["--directory", "/nonexistent"]):
        wrong = run("init", "systemd", "--app", "x:app", *words) if words[0] != "--app" else run("init", "systemd", *words)
        assert wrong.returncode == 1 and "error:" in wrong.stderr, (words, wrong.stderr)
    assert run("init").returncode == 2
    assert run("init", "swarm").returncode == 2
    assert not list(tmp_path.iterdir())


def test_a_link_is_replaced_and_not_followed(run, shop, tmp_path):
    other = tmp_path / "other"
    other.write_text("somebody else's")
    (shop / "Procfile").symlink_to(other)
    assert run("init", "procfile", directory=shop).returncode == 1
    assert run("init", "procfile", "--force", directory=shop).returncode == 0
    assert other.read_text() == "somebody else's" and not (shop / "Procfile").is_symlink()

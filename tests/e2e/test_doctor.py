"""`rgun doctor`: findings about an installation, its deployment files and a running server."""

import json
import os
import socket
import subprocess
import sys

import pytest

from harness.waiting import eventually

NGINX = """
upstream shop {
    server unix:%s;
    keepalive 32;
}
server {
    location / {
        proxy_pass http://shop;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
    }
}
"""


@pytest.fixture
def directory(tmp_path):
    """An app, and nothing that is wrong."""
    directory = tmp_path / "shop"
    directory.mkdir()
    (directory / "app.py").write_text("def app(environ, start_response): ...\n")
    (directory / "rgun.toml").write_text('app = "app:app"\nworker_class = "wsgi"\n')
    return directory


@pytest.fixture
def doctor(program, directory, tmp_path):
    def doctor(*words, code=None, **environment):
        # Without the servers of other stories.
        runtime = tmp_path / "runtime"
        runtime.mkdir(exist_ok=True)
        known = {name: value for name, value in os.environ.items() if not name.startswith(("RGUN_", "GUNICORN_", "DJANGO_"))}
        done = subprocess.run(
            [*program, "doctor", "--json", *map(str, words)], cwd=directory, capture_output=True, text=True, timeout=90,
            env={**known, "NO_COLOR": "1", "XDG_RUNTIME_DIR": str(runtime), **environment},
        )
        assert done.stdout, done.stderr
        said = json.loads(done.stdout)
        # What is wrong with the machine that the story runs on is not its subject.
        said["findings"] = [one for one in said["findings"] if one["rule"] not in ("somaxconn", "descriptors", "python-version", "writable-path", "memory-limit", "shell-first", "clock") or one["place"].startswith(("deploy", str(directory)))]
        if code is not None:
            assert done.returncode == code, said
        return said["findings"]

    return doctor


def rules(findings):
    return [finding["rule"] for finding in findings]


def write(directory, name, text):
    path = directory / "deploy" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.wheel
@pytest.mark.both_artifacts
def test_nothing_wrong(doctor):
    assert doctor() == []


def test_every_finding_says_why_and_what_to_do(doctor, directory):
    write(directory, "shop.service", "[Service]\nExecStart=/usr/bin/env rgun app:app --graceful-timeout 60\nTimeoutStopSec=20\n")
    findings = doctor("deploy", code=3)
    assert rules(findings) == ["unit-type", "stop-timeout"]
    for finding in findings:
        assert set(finding) == {"severity", "rule", "place", "problem", "why", "fix"} and all(finding.values())
        assert finding["place"] == "deploy/shop.service"
    assert [finding["severity"] for finding in findings] == ["warning", "error"], "the worst is last"
    assert "60 s" in findings[-1]["problem"] and "TimeoutStopSec" in findings[-1]["fix"]


def test_units(doctor, directory):
    write(directory, "shop.service", "[Service]\nType=notify\nExecStart=/srv/venv/bin/rgun app:app\nTimeoutStopSec=45\n")
    assert doctor("deploy", code=0) == []
    write(directory, "shop.service", "[Service]\nType=notify\nExecStart=/bin/sh -c 'rgun app:app | tee log'\n")
    assert rules(doctor("deploy")) == ["shell-first"]
    write(directory, "shop.service", "[Service]\nExecStart=/usr/bin/celery\nTimeoutStopSec=1\n")
    assert doctor("deploy", code=0) == []


def test_compose(doctor, directory):
    text = "services:\n  web:\n    command: rgun app:app -b 0.0.0.0:8000 --forwarded-allow-ips '*'\n    stop_grace_period: %s\n"
    write(directory, "compose.yaml", text % "40s")
    assert doctor("deploy", code=0) == []
    write(directory, "compose.yaml", text % "5s")
    assert rules(doctor("deploy", code=3)) == ["stop-timeout"]
    # compose waits for 10 s by default.
    write(directory, "compose.yaml", (text % "1s").replace("    stop_grace_period: 1s\n", ""))
    [finding] = doctor("deploy", code=3)
    assert "10 s" in finding["problem"] and finding["place"] == "deploy/compose.yaml: web"


def test_kubernetes_and_dockerfile(doctor, directory):
    write(directory, "web.yaml", """
kind: Deployment
metadata: {name: shop}
spec:
  template:
    spec:
      containers:
        - name: web
          args: [rgun, app:app, --shutdown-delay, "5"]
""")
    assert rules(doctor("deploy/web.yaml", code=3)) == ["stop-timeout"]
    write(directory, "Dockerfile", "FROM python\nCMD rgun app:app\n")
    assert rules(doctor("deploy/Dockerfile", code=1)) == ["shell-first"]
    write(directory, "Dockerfile", 'FROM python\nCMD ["rgun", "app:app"]\n')
    assert doctor("deploy/Dockerfile", code=0) == []


COMPOSE = """services:
  web:
    command: ["rgun", "app:app", "-b", "0.0.0.0:8000", "--forwarded-allow-ips", "*", %s]
    stop_grace_period: 40s
    env_file: [web.env]
    environment:
%s
"""


def test_a_wrong_option_of_a_command_is_found_where_it_is_written(doctor, directory):
    write(directory, "web.env", "")
    write(directory, "compose.yaml", COMPOSE % ('"--wokers",\n      "4"', "      A: b"))
    [finding] = doctor("deploy", code=3)
    assert (finding["rule"], finding["place"]) == ("configuration", "deploy/compose.yaml:3")
    assert "--wokers" in finding["problem"] and "--workers" in finding["fix"]
    (directory / "deploy" / "compose.yaml").unlink()
    for name, text, line, option in (
        ("Dockerfile", 'FROM python\nCMD ["rgun", "app:app", \\\n  "--graceful-timout", "3"]\n', 3, "--graceful-timeout"),
        ("shop.service", "[Service]\nType=notify\nTimeoutStopSec=40\nExecStart=rgun app:app \\\n  -w four\n", 5, "four"),
        ("pod.yaml", "kind: Pod\nspec:\n  terminationGracePeriodSeconds: 40\n  containers:\n    - args:\n        - rgun\n        - app:app\n        - --paste=x.ini\n", 8, "paste"),
    ):
        path = write(directory, name, text)
        [finding] = doctor("deploy", code=3)
        assert (finding["rule"], finding["place"]) == ("configuration", f"deploy/{name}:{line}"), finding
        assert option in finding["problem"] + finding["fix"]
        path.unlink()


def test_variables_of_a_deployment_count(doctor, directory):
    write(directory, "web.env", "RGUN_GRACEFUL_TIMEOUT=60\n")
    write(directory, "compose.yaml", COMPOSE % ('"-w", "2"', "      A: b"))
    assert rules(doctor("deploy", code=3)) == ["stop-timeout"], "a file of variables"
    write(directory, "compose.yaml", COMPOSE % ('"-w", "2"', "      RGUN_GRACEFUL_TIMEOUT: 20"))
    assert doctor("deploy", code=0) == [], "stronger than the file"
    write(directory, "compose.yaml", COMPOSE % ('"--graceful-timeout", "20"', "      A: b"))
    assert doctor("deploy", code=0) == [], "the command line is stronger than variables"
    (directory / "rgun.toml").write_text('app = "app:app"\nworker_class = "wsgi"\ngraceful_timeout = 90\n')
    write(directory, "compose.yaml", COMPOSE % ('"-w", "2"', "      GUNICORN_CMD_ARGS: --graceful-timeout 10"))
    write(directory, "web.env", "")
    assert doctor("deploy", code=0) == [], "variables are stronger than rgun.toml"
    write(directory, "compose.yaml", COMPOSE % ('"-w", "2"', "      A: b"))
    [finding] = doctor("deploy", code=3)
    assert "90 s" in finding["problem"]


def test_what_is_wrong_in_variables(doctor, directory):
    write(directory, "web.env", "# c\nRGUN_WOKERS=4\n")
    write(directory, "compose.yaml", COMPOSE % ('"-w", "${COUNT:-2}"', "      RGUN_BACKLOG: many"))
    ignored, rejected = doctor("deploy", code=3)
    assert (ignored["rule"], ignored["place"], ignored["severity"]) == ("unknown-variable", "deploy/web.env:2", "warning")
    assert "RGUN_WORKERS" in ignored["fix"]
    assert (rejected["rule"], rejected["place"]) == ("configuration", "deploy/compose.yaml:7")
    write(directory, "web.env", "")
    write(directory, "compose.yaml", COMPOSE % ('"-w", "${COUNT:-two}"', "      A: b"))
    [finding] = doctor("deploy", code=3)
    assert "two" in finding["problem"]
    write(directory, ".env", "COUNT=3\n")
    assert doctor("deploy/compose.yaml", code=0) == []


def test_what_the_files_do_not_show_is_not_judged(doctor, directory):
    write(directory, "web.env", "")
    for words in ('"-w", "${COUNT}"', '"--chdir", "/srv/not-on-this-machine"', '"--certfile", "/run/secrets/c", "--keyfile", "/run/secrets/k"'):
        write(directory, "compose.yaml", COMPOSE % (words, "      - RGUN_GRACEFUL_TIMEOUT"))
        assert doctor("deploy", code=0) == [], words
    write(directory, "compose.yaml", COMPOSE % ('"-w", "${COUNT}", "--wokers"', "      A: b"))
    assert rules(doctor("deploy", code=3)) == ["configuration"], "a wrong option is one all the same"


def test_config_maps_and_secrets(doctor, directory):
    write(directory, "config.yaml", 'kind: ConfigMap\nmetadata: {name: shop}\ndata:\n  RGUN_SHUTDOWN_DELAY: "20"\n')
    write(directory, "web.yaml", """
kind: Deployment
metadata: {name: shop}
spec:
  template:
    spec:
      terminationGracePeriodSeconds: 45
      containers:
        - args: [rgun, app:app]
          envFrom:
            - configMapRef: {name: shop}
            - secretRef: {name: shop}
""")
    assert rules(doctor("deploy", code=3)) == ["stop-timeout"]
    assert doctor("deploy/web.yaml", code=0) == [], "the ConfigMap is not among the files"
    write(directory, "config.yaml", 'kind: Secret\nmetadata: {name: shop}\nstringData:\n  RGUN_SHUTDOWN_DELEY: "20"\n')
    [finding] = doctor("deploy", code=1)
    assert (finding["rule"], finding["place"]) == ("unknown-variable", "deploy/config.yaml:4")


def test_a_service_that_compose_builds(doctor, directory):
    write(directory, "Dockerfile", 'FROM python\nENV RGUN_GRACEFUL_TIMEOUT=50\nCMD ["rgun", "app:app"]\n')
    write(directory, "compose.yaml", "services:\n  web:\n    build: .\n    stop_grace_period: 40s\n")
    [finding] = doctor("deploy", code=3)
    assert (finding["rule"], finding["place"]) == ("stop-timeout", "deploy/compose.yaml: web")


def test_a_file_of_variables_of_a_unit(doctor, directory):
    variables = write(directory, "shop.env", "RGUN_GRACEFUL_TIMEOUT=60\n")
    write(directory, "shop.service", f"[Service]\nType=notify\nTimeoutStopSec=45\nEnvironment=RGUN_WORKERS=2\nEnvironmentFile=-{variables}\nExecStart=rgun app:app\n")
    assert rules(doctor("deploy", code=3)) == ["stop-timeout"]
    variables.write_text("RGUN_GRACEFUL_TIMEOUT=20\n")
    assert doctor("deploy", code=0) == []


def test_nginx(doctor, directory, tmp_path):
    path = tmp_path / "s"
    sound = NGINX % path
    write(directory, "site.conf", sound)
    assert doctor("deploy", code=0) == []
    for old, new, rule in (
        ("keepalive 32;", "", "upstream-keepalive"),
        ("proxy_http_version 1.1;", "", "upstream-reuse"),
        ("proxy_set_header Host $host;", "", "forwarded-headers"),
        ("keepalive 32;", "keepalive 32; keepalive_timeout 80s;", "idle-timeout"),
    ):
        assert old in sound
        write(directory, "site.conf", sound.replace(old, new))
        findings = doctor("deploy", code=1)
        assert rules(findings) == [rule] and findings[0]["place"].startswith("deploy/site.conf:")
    write(directory, "site.conf", sound)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        [finding] = doctor("deploy", code=1)
        assert finding["rule"] == "socket-access"


def test_options_of_the_server(doctor, directory):
    assert rules(doctor("--", "app:app", "-b", "0.0.0.0:8000", "--keep-alive", "2")) == ["idle-timeout"]
    [finding] = doctor("--", "app:app", "--timeout", "soon", code=3)
    assert finding["rule"] == "configuration" and "--timeout" in finding["problem"]
    log = directory / "own.log"
    assert rules(doctor("--", "app:app", "--error-logfile", log)) == ["log-rotation"]


def test_django(doctor, directory):
    (directory / "rgun.toml").unlink()
    subprocess.run([sys.executable, "-m", "django", "startproject", "config", str(directory)], check=True, timeout=60)
    found = doctor("--", "--ready-path", "/")
    assert rules(found) == ["django-debug"]
    settings = directory / "config" / "settings.py"
    text = settings.read_text()
    settings.write_text(text.replace("DEBUG = True", "DEBUG = False"))
    assert sorted(rules(doctor("--", "--ready-path", "/", code=3))) == ["django-hosts", "django-secret"]
    good = text.replace("DEBUG = True", "DEBUG = False").replace("ALLOWED_HOSTS = []", "ALLOWED_HOSTS = ['shop.example']").replace("django-insecure-", "")
    settings.write_text(good)
    assert doctor("--", "--ready-path", "/", code=0) == []
    assert rules(doctor()) == ["ready-path"]
    settings.write_text(good + "\nDATABASES['default']['CONN_MAX_AGE'] = 60\n")
    assert rules(doctor("--", "--ready-path", "/", "-k", "asgi")) in (["django-connections"], ["uvloop", "django-connections"])
    assert doctor("--", "--ready-path", "/", code=0) == [], "threads of a WSGI app stay"
    settings.write_text("raise KeyError('SECRET')\n")
    assert rules(doctor("--", "--ready-path", "/", code=1)) == ["django-settings"]
    assert doctor("--no-import", "--", "--ready-path", "/", code=0) == []


def test_files_of_the_project_are_not_taken_for_pythons_library(doctor, directory):
    for name in ("types", "warnings", "contextlib"):
        (directory / f"{name}.py").write_text("open('ran', 'w')\nraise RuntimeError('a file of the project')\n")
    assert doctor("--no-import", code=0) == []
    assert not (directory / "ran").exists()


def test_a_directory_of_the_path_that_everybody_writes_to(program, directory):
    directory.chmod(0o777)
    done = subprocess.run([*program, "doctor", "--json"], cwd=directory, capture_output=True, text=True, timeout=90)
    places = [one["place"] for one in json.loads(done.stdout)["findings"] if one["rule"] == "writable-path"]
    assert str(directory) in places and done.returncode == 3


def test_a_running_server(launch, app, doctor):
    app.copy("hello.py")
    server = launch("app:app", "--control-socket", str(app.path / "own.ctl"))
    server.wait_ready()
    assert doctor("--socket", app.path / "own.ctl", code=0) == []
    app.write("def broken(:\n")
    server.signal(1)
    server.log.wait("reload rolled back")
    eventually(lambda: rules(doctor("--socket", app.path / "own.ctl")) == ["last-reload"], "the failed reload is told")


def test_what_init_writes_has_nothing_worse_than_notices(program, doctor, directory):
    (directory / "rgun.toml").unlink()
    subprocess.run([sys.executable, "-m", "django", "startproject", "config", str(directory)], check=True, timeout=60)
    settings = directory / "config" / "settings.py"
    settings.write_text(settings.read_text().replace("DEBUG = True", "DEBUG = False").replace("ALLOWED_HOSTS = []", "ALLOWED_HOSTS = ['a']").replace("django-insecure-", ""))
    (directory / "requirements.txt").write_text("Django\npsycopg\n")
    for target in ("systemd", "nginx", "compose", "kubernetes", "blue-green", "procfile"):
        done = subprocess.run([*program, "init", target], cwd=directory, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    worse = [finding for finding in doctor(".") if finding["severity"] != "notice"]
    assert worse == []


def test_text_for_a_person(program, directory):
    def run(*words):
        return subprocess.run([*program, "doctor", *words], cwd=directory, capture_output=True, text=True, timeout=90, env={**os.environ, "NO_COLOR": "1"})

    write(directory, "Dockerfile", "CMD rgun app:app\n")
    said = run("deploy").stdout
    assert "warning: deploy/Dockerfile: a shell runs rgun and stays its parent process [shell-first]\n  why: " in said and "\n  fix: " in said
    assert said.splitlines()[-1].endswith(("warning", "warnings", "notice", "notices"))


BROKEN = {
    "broken.yaml": "services:\n  web: [\n",
    "nginx.conf": "server {\n  location / { proxy_pass http://x;\n",
}


def test_a_file_that_cannot_be_parsed_is_a_finding_and_the_others_are_checked(doctor, directory):
    for name, text in BROKEN.items():
        write(directory, name, text)
    write(directory, "Dockerfile", "CMD rgun app:app\n")
    found = doctor("deploy", code=3)
    assert sorted(one["place"] for one in found if one["rule"] == "unreadable-file") == ["deploy/broken.yaml", "deploy/nginx.conf"]
    assert "shell-first" in rules(found)


def test_lines_of_a_unit_that_systemd_ignores(doctor, directory):
    unit = write(directory, "a.service", "[Service]\nType=bogus\nExecStart=/srv/ve/bin/rgun app:app\nWorkingDirectroy=/srv\nTimeoutStopSec=soon\n")
    found = {one["place"]: one for one in doctor("--no-import", unit, code=1) if one["rule"] == "unit-line"}
    assert sorted(found) == [f"{unit}:{line}" for line in (2, 4, 5)]
    assert found[f"{unit}:4"]["fix"] == "did you mean `WorkingDirectory`?"
    broken = write(directory, "b.service", "[Service]\nType=notify\nExecStart=/srv/ve/bin/rgun app:app --name 'a\n")
    (finding,) = [one for one in doctor("--no-import", broken, code=3) if one["rule"] == "configuration"]
    assert finding["place"] == f"{broken}:3" and "quote" in finding["problem"]


@pytest.mark.parametrize("command", ['CMD ["rgun", "app:app" "-w", "3"]', "ENTRYPOINT ['rgun', 'app:app']", 'CMD ["rgun", "app:app",]'])
def test_a_command_of_an_image_that_is_no_array(doctor, directory, command):
    write(directory, "Dockerfile", f"FROM python:3.13\n{command}\n")
    (finding,) = [one for one in doctor("deploy", code=3) if one["rule"] == "configuration"]
    assert finding["place"] == "deploy/Dockerfile:2" and "JSON" in finding["problem"]


@pytest.mark.parametrize("app, problem", [("nope:app", "there is no module 'nope'"), ("app:nope", "there is no 'nope' in"), ("app.more:app", "'app' is a module")])
def test_an_app_that_is_not_there(doctor, directory, app, problem):
    (finding,) = doctor("--", app, code=3)
    assert (finding["rule"], finding["place"]) == ("app", app) and problem in finding["problem"]


def test_an_app_is_looked_for_without_running_it(doctor, directory):
    package = directory / "elsewhere" / "pack"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemError\n")
    (package / "web.py").write_text("raise SystemError\nfrom made import *\n")
    assert "app" not in rules(doctor("--", "pack.web:application", "--pythonpath", "elsewhere", "-k", "wsgi"))
    (finding,) = [one for one in doctor("--", "pack.other", "--pythonpath", "elsewhere", "-k", "wsgi") if one["rule"] == "app"]
    assert "'pack.other'" in finding["problem"]


def test_wrong_use(program, directory):
    def run(*words):
        return subprocess.run([*program, "doctor", *words], cwd=directory, capture_output=True, text=True, timeout=90)

    write(directory, "own.txt", "text\n")
    for words, text in (
        (["nowhere"], "nowhere: no such file or directory\n"),
        (["deploy/own.txt"], "not a configuration"),
        (["--what"], "--what"),
        (["--socket", "nowhere.ctl"], "nowhere.ctl"),
    ):
        done = run(*words)
        assert (done.returncode, done.stdout) == (2, "") and text in done.stderr, done
    assert run("--help").stdout.startswith("Check an installation")

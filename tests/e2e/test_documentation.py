"""The documentation's examples are extracted and run: commands, units, proxies, containers."""

import configparser
import json
import os
import re
import shlex
import shutil
import signal
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest
from harness.nginx import PROGRAM, USER, Nginx, listen
from harness.place import ROOT, SITE
from harness.server import Server
from harness.tls import Authority

DEPLOYMENT = ROOT / "docs" / "deployment.md"
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]
# Where the examples are installed.
PLACE = "/srv/site/.venv/bin/"


def snippets(page, language=""):
    """The text of each fenced block of that language; without one, indented blocks as well."""
    text = page.read_text()
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)
    if not language:
        found += re.findall(r"(?:^    \S.*\n)+", text, re.M)
    return found


def snippet(language, containing=""):
    (found,) = [text for text in snippets(DEPLOYMENT, language) if containing in text]
    return found


def commands():
    """Every command line of rgun's that stands anywhere, as words without the program's name: (page, words)."""
    lines = [(page, line.strip()) for page in PAGES for text in snippets(page) for line in text.splitlines()]
    for text in snippets(DEPLOYMENT, "ini"):
        lines += [(DEPLOYMENT, value) for value in re.findall(r"^(?:ExecStart|ExecReload|command)=(.*)$", text, re.M)]
    lines += [(DEPLOYMENT, value) for text in snippets(DEPLOYMENT, "procfile") for value in re.findall(r"^web: (.*)$", text, re.M)]
    # As JSON, in a Dockerfile and in YAML.
    for text in snippets(DEPLOYMENT, "dockerfile") + snippets(DEPLOYMENT, "yaml"):
        lines += [(DEPLOYMENT, shlex.join(json.loads(value))) for value in re.findall(r'(\["rgun",[^]]*\])', text)]
    for page, line in lines:
        line = re.sub(r"^(opentelemetry-instrument|ddtrace-run|newrelic-admin run-program) ", "", line).replace(PLACE, "")
        if re.match(r"rgun [^=]", line):
            yield page, shlex.split(line, comments=True)[1:]


COMMANDS = [pytest.param(words, id=f"{page.name}: {' '.join(words)}") for page, words in commands()]


def run(program, *words, **keywords):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RGUN_", "GUNICORN_"))}
    return subprocess.run([*program, *words], capture_output=True, text=True, timeout=30, env=environment, **keywords)


def test_there_are_commands():
    assert len(COMMANDS) > 15


@pytest.fixture
def project(tmp_path):
    """With the apps that the pages name."""
    app = "async def app(scope, receive, send): pass\napplication = app\n"
    wsgi = "from django.conf import settings\ndef application(environ, start_response): pass\n"
    static, media = tmp_path / "static", tmp_path / "media"
    wsgi += f"settings.configure(STATIC_URL='/static/', STATIC_ROOT={str(static)!r}, MEDIA_URL='/media/', MEDIA_ROOT={str(media)!r})\n"
    for name, text in {"app": app, "shop": app + "def create_app(): return app\n", "config/__init__": "", "config/asgi": app, "config/wsgi": wsgi}.items():
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (tmp_path / "settings.toml").touch()
    static.mkdir()
    media.mkdir()
    if shutil.which("openssl"):
        chain, key = Authority(tmp_path / "certificates").issue("fullchain")
        chain.rename(tmp_path / "fullchain.pem")
        key.rename(tmp_path / "privkey.pem")
    return tmp_path


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_is_understood(program, project, words):
    if words[0] == "ctl":
        # Options before and after the verb, but no server.
        assert run(program, *words, "--help", cwd=project).returncode == 0
        return
    if words[0] == "doctor":
        # The project has no deployment files, so the paths do not exist; the arguments are accepted.
        done = run(program, *words, cwd=project)
        assert "unexpected" not in done.stderr and "--help" not in done.stderr, done.stderr
        return
    done = run(program, *words, *([] if "--print-config" in words else ["--print-config"]), cwd=project)
    # Only the source of Django's settings for static files is logged.
    complaints = [line for line in done.stderr.splitlines() if "[INFO] static files:" not in line]
    assert done.returncode == 0 and not complaints, done.stderr
    assert "# command line" in done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_toml_python_and_json_can_be_read(program, project, page):
    for text in snippets(page, "python"):
        compile(text, page.name, "exec")
    for text in snippets(page, "json"):
        json.loads(text)
    for text in snippets(page, "toml"):
        (project / "rgun.toml").write_text(text.replace("/srv/site", str(project)))
        done = run(program, "--print-config", "app:app", cwd=project)
        assert done.returncode == 0 and not done.stderr, done.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_unit(program, tmp_path):
    unit = tmp_path / "site.service"
    text = snippet("ini", "[Service]")
    assert PLACE + "rgun" in text
    # What is named has to be there.
    text = text.replace(PLACE, str(Path(program[0]).parent) + "/").replace("User=site", "User=root")
    unit.write_text(text.replace("WorkingDirectory=/srv/site", f"WorkingDirectory={tmp_path}"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60)
    complaints = [line for line in done.stderr.splitlines() if "site.service" in line]
    assert done.returncode == 0 and not complaints, done.stderr
    grace = int(re.search(r"TimeoutStopSec=(\d+)", text).group(1))
    assert grace > 30, "more than --graceful-timeout"


def test_the_supervised_program():
    parser = configparser.RawConfigParser()
    parser.read_string(snippet("ini", "[program:site]"))
    program = parser["program:site"]
    assert program["stopsignal"] == "TERM" and program.getint("stopwaitsecs") > 30


def test_the_pod_and_the_services():
    yaml = pytest.importorskip("yaml")
    spec = yaml.safe_load(snippet("yaml", "terminationGracePeriodSeconds"))["spec"]
    (container,) = spec["containers"]
    words = container["args"]
    admin = int(words[words.index("--admin-bind") + 1].rpartition(":")[2])
    for name, path in {"startupProbe": "/-/started", "readinessProbe": "/-/ready", "livenessProbe": "/-/live"}.items():
        assert container[name]["httpGet"] == {"path": path, "port": admin}
    bound = int(words[words.index("-b") + 1].rpartition(":")[2])
    assert container["ports"] == [{"containerPort": bound}]
    assert spec["terminationGracePeriodSeconds"] > 30 + int(words[words.index("--shutdown-delay") + 1])
    services = yaml.safe_load(snippet("yaml", "services:"))["services"]
    assert set(services["web"]["depends_on"]) <= set(services)
    assert services["web"]["command"][0] == "rgun" and services["web"]["stop_grace_period"] == "35s"
    for text in snippets(ROOT / "docs" / "operations.md", "yaml"):
        assert all(container[name] == probe for name, probe in yaml.safe_load(text).items()), "both pages show the same probes"


def test_the_image(program, site, tmp_path):
    """Its CMD in its WORKDIR, with what its instructions have put there, as its user would find it."""
    lines = snippet("dockerfile").splitlines()
    assert {line.split(" ")[0] for line in lines if line} == {"FROM", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "CMD"}
    words = json.loads(next(line for line in lines if line.startswith("CMD "))[len("CMD "):])
    assert words[0] == "rgun" and words[2:4] == ["-b", "0.0.0.0:8000"]
    workdir = tmp_path / "app"
    shutil.copytree(SITE, workdir, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3", "staticfiles", "media"))
    with Server(program, workdir, words[1], *words[4:], bind="127.0.0.1:0", env=site) as server:
        server.log.wait("all workers ready")
        assert server.get("/healthz").text == "ok"
        server.log.wait('"GET /healthz HTTP/1.1" 200')
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0


@pytest.fixture
def certificate(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=site.example -addext subjectAltName=DNS:site.example"
    subprocess.run(
        ["openssl", *words.split(), "-keyout", str(tmp_path / "site.key"), "-out", str(tmp_path / "site.pem")], check=True, capture_output=True, timeout=30,
    )
    return tmp_path / "site.pem", tmp_path / "site.key"


@pytest.fixture
def published(certificate, tmp_path):
    """nginx with the page's own lines, its paths and ports moved to where they may be."""
    assert PROGRAM, "nginx is not installed: `.ci/nginx` does it"
    fronts = []

    def start(server_socket, static):
        plain, secure = listen(), listen()
        text = snippet("nginx")
        for old, new in {
            "unix:/run/site/rgun.sock": f"unix:{server_socket}", "/srv/site/static/": f"{static}/",
            "/etc/ssl/site.example.pem": certificate[0], "/etc/ssl/site.example.key": certificate[1],
            "listen 80;": f"listen 127.0.0.1:{plain.getsockname()[1]};", "listen 443 ssl;": f"listen 127.0.0.1:{secure.getsockname()[1]} ssl;",
        }.items():
            assert old in text, old
            text = text.replace(old, str(new))
        directory = tmp_path / "nginx"
        directory.mkdir()
        places = "".join(f"{name}_temp_path {directory}/{name}; " for name in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi"))
        text = (
            f"{USER} daemon off; pid {directory}/nginx.pid; error_log {directory}/error.log warn; worker_processes 2;\n"
            f"events {{ worker_connections 512; }}\nhttp {{\ntypes {{ text/css css; }}\naccess_log off; {places}\n{text}\n}}\n"
        )
        (directory / "nginx.conf").write_text(text)
        tested = subprocess.run([PROGRAM, "-t", "-p", str(directory), "-c", str(directory / "nginx.conf")], capture_output=True, text=True, timeout=30)
        assert tested.returncode == 0 and "warn" not in tested.stderr, tested.stderr
        fronts.append(Nginx.of(directory, text, [plain, secure]))
        fronts[-1].plain = plain_port = int(re.search(r"listen 127\.0\.0\.1:(\d+);", text).group(1))
        assert plain_port
        return fronts[-1]

    yield start
    for front in fronts:
        front.__exit__()


def token(response):
    return re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', response.text).group(1)


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
@pytest.mark.parametrize("believes", [True, False], ids=["with SECURE_PROXY_SSL_HEADER", "without"])
def test_the_admin_behind_the_page_s_nginx(launch, site, published, certificate, tmp_path, interface, believes):
    """Over TLS, with everything that Django has for it: redirect to https, secure cookies, the Origin checked."""
    (tmp_path / "production.py").write_text(
        "from config.settings import *\nALLOWED_HOSTS = ['site.example']\nSECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True\n"
        + ("SECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https')\n" if believes else "")
    )
    environment = {**site, "DJANGO_SETTINGS_MODULE": "production", "PYTHONPATH": str(tmp_path)}
    server = launch(f"config.{interface}:application", "-w", "2", directory=SITE, env=environment, bind=f"unix:{tmp_path}/rgun.sock")
    server.wait_ready(2, timeout=30)
    front = published(tmp_path / "rgun.sock", site["STATIC_ROOT"])
    trust = ssl.create_default_context(cafile=str(certificate[0]))
    headers = {"Host": "site.example", "Origin": "https://site.example"}
    with httpx.Client(verify=trust, headers=headers, timeout=20) as browser:
        base = f"https://127.0.0.1:{front.port}"
        known = {"extensions": {"sni_hostname": "site.example"}}
        redirected = httpx.get(f"http://127.0.0.1:{front.plain}/admin/", headers=headers)
        assert (redirected.status_code, redirected.headers["location"]) == (301, "https://site.example/admin/")
        page = browser.get(f"{base}/admin/login/", **known)
        assert page.status_code == 200, page.headers
        assert "Secure" in page.headers["set-cookie"]
        form = {"username": "admin", "password": "secret", "next": "/admin/", "csrfmiddlewaretoken": token(page)}
        cookies = {"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies.jar)}
        done = browser.post(f"{base}/admin/login/", data=form, headers={**cookies, "Referer": "https://site.example/admin/login/"}, **known)
        assert (done.status_code, done.headers.get("location")) == (302, "/admin/"), done.text[:500]
        cookies = {"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies.jar)}
        assert "Site administration" in browser.get(f"{base}/admin/", headers=cookies, **known).text
        forged = browser.post(f"{base}/admin/login/", data=form, headers={**cookies, "Origin": "https://evil.example"}, **known)
        assert forged.status_code == 403
        seen = browser.get(f"{base}/sync/", **known).json()
        assert (seen["secure"], seen["client"]) == (True, "127.0.0.1")
        style = browser.get(f"{base}/static/admin/css/base.css", **known)
        assert style.status_code == 200 and "server" in style.headers and "nginx" in style.headers["server"]
    assert not front.complaints()


CHECKERS = {
    "caddy": ("Caddyfile", ["caddy", "adapt", "--adapter", "caddyfile", "--validate", "--config"]),
    "haproxy": ("haproxy.cfg", ["haproxy", "-c", "-f"]),
}


@pytest.mark.parametrize("language", CHECKERS)
def test_configurations_of_proxies_pass_their_own_checkers(tmp_path, language):
    name, words = CHECKERS[language]
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    found = snippets(ROOT / "docs" / "recipes.md", language)
    assert found
    for text in found:
        (tmp_path / name).write_text(text)
        done = subprocess.run([*words, str(tmp_path / name)], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr


def test_alerts_use_metrics_that_there_are(tmp_path):
    (text,) = [text for text in snippets(ROOT / "docs" / "recipes.md", "yaml") if "groups:" in text]
    documented = (ROOT / "docs" / "operations.md").read_text()
    names = set(re.findall(r"rgun_\w+?(?=_bucket|[^\w])", text))
    assert len(names) > 4 and all(name in documented for name in names), names
    causes = set(re.search(r'cause=~"([^"]*)"', text).group(1).split("|"))
    assert causes <= set(re.findall(r'"([a-z-]+)"', re.search(r"CAUSES.*?\];", (ROOT / "src/ipc/facts.rs").read_text(), re.S).group(0)))
    if shutil.which("promtool"):
        (tmp_path / "rules.yml").write_text(text)
        done = subprocess.run(["promtool", "check", "rules", str(tmp_path / "rules.yml")], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

"""`rgun doctor` on what a deployment needs around it: certificates, hosts of probes, connections of the database, sockets, load balancers."""

import json
import os
import subprocess
import sys

import pytest
from harness.tls import Authority


@pytest.fixture
def site(tmp_path):
    """A Django project that is in order."""
    directory = tmp_path / "shop"
    directory.mkdir()
    subprocess.run([sys.executable, "-m", "django", "startproject", "config", str(directory)], check=True, timeout=60)
    settings = directory / "config" / "settings.py"
    text = settings.read_text().replace("DEBUG = True", "DEBUG = False").replace("ALLOWED_HOSTS = []", "ALLOWED_HOSTS = ['shop.example']")
    settings.write_text(text.replace("django-insecure-", ""))
    (directory / "rgun.toml").write_text('app = "config.wsgi:application"\nready_path = "/"\n')
    return directory


@pytest.fixture
def found(program, site, tmp_path):
    """The findings of those rules, as `(rule, severity, place)`."""

    def found(*rules):
        done = subprocess.run(
            [*program, "doctor", "--json", "deploy"] if (site / "deploy").exists() else [*program, "doctor", "--json"],
            cwd=site, capture_output=True, text=True, timeout=90, env={**os.environ, "NO_COLOR": "1", "XDG_RUNTIME_DIR": str(tmp_path)},
        )
        assert done.stdout, done.stderr
        findings = json.loads(done.stdout)["findings"]
        assert all(one["why"] and one["fix"] for one in findings)
        return [(one["rule"], one["severity"], one["place"]) for one in findings if one["rule"] in rules]

    return found


def write(site, name, text):
    path = site / "deploy" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_certificates_of_the_server_and_of_nginx(found, site, tmp_path):
    authority = Authority(tmp_path / "ca")
    for days, severity in ((100, None), (10, "warning"), (-1, "error")):
        chain, key = authority.issue("shop", days=days)
        (site / "rgun.toml").write_text(f'app = "config.wsgi:application"\ncertfile = "{chain}"\nkeyfile = "{key}"\n')
        write(site, "site.conf", f"server {{\n    listen 443 ssl;\n    ssl_certificate {chain};\n    ssl_certificate_key {key};\n}}\n")
        expected = [] if severity is None else [("certificate-expiry", severity, "rgun.toml"), ("certificate-expiry", severity, "deploy/site.conf:3")]
        assert sorted(found("certificate-expiry")) == sorted(expected), days


def test_hosts_that_django_refuses(found, site):
    settings = site / "rgun.toml"
    settings.write_text(settings.read_text() + 'ready_host = "other.example"\n')
    assert found("ready-host") == [("ready-host", "error", "rgun.toml")]
    settings.write_text(settings.read_text().replace("other.", "shop."))
    assert found("ready-host") == []
    pod = """
kind: Deployment
metadata: {name: shop}
spec:
  template:
    spec:
      containers:
        - args: [rgun, "config.wsgi:application", -b, "0.0.0.0:8000", --admin-bind, "0.0.0.0:9000"]
          ports: [{name: http, containerPort: 8000}, {name: admin, containerPort: 9000}]
          livenessProbe:
            httpGet: {path: /-/live, port: admin}
          readinessProbe:
            httpGet: {path: /, port: http}
"""
    write(site, "pod.yaml", pod)
    assert found("probe-host") == [("probe-host", "warning", "deploy/pod.yaml:13")]
    write(site, "pod.yaml", pod.replace("port: http}", "port: http, httpHeaders: [{name: Host, value: shop.example}]}"))
    assert found("probe-host") == []


def test_connections_of_the_database(found, site):
    settings = site / "config" / "settings.py"
    databases = "\nDATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': 'shop', 'CONN_MAX_AGE': 60}}\n"
    settings.write_text(settings.read_text() + databases)
    compose = """
services:
  web:
    image: shop
    command: [rgun, "config.wsgi:application", -b, "0.0.0.0:8000", -w, "4", --threads, "4"]
  db:
    image: postgres:17
    command: [postgres, -c, max_connections=%d]
"""
    write(site, "compose.yaml", compose % 30)
    assert found("database-connections") == [("database-connections", "warning", "deploy/compose.yaml: web")]
    write(site, "compose.yaml", compose % 35)
    assert found("database-connections") == []


def test_a_socket_whose_directory_keeps_nginx_out(found, site):
    unit = "[Service]\nType=notify\nUser=shop\n%sRuntimeDirectory=shop\nRuntimeDirectoryMode=%s\nExecStart=/srv/rgun config.wsgi:application -b unix:/run/shop/shop.sock\n"
    for group, mode, expected in (("", "0700", True), ("", "0750", True), ("Group=www-data\n", "0750", False), ("", "0755", False)):
        write(site, "shop.service", unit % (group, mode))
        assert found("socket-access") == ([("socket-access", "warning", "deploy/shop.service")] if expected else []), mode


def test_a_load_balancer_that_keeps_connections_longer(found, site):
    manifests = """
kind: Deployment
metadata: {name: shop}
spec: {template: {spec: {containers: [{args: [rgun, "config.wsgi:application", -b, "0.0.0.0:8000", --keep-alive, "75"]}]}}}
---
kind: Ingress
metadata: {name: shop, annotations: {alb.ingress.kubernetes.io/load-balancer-attributes: idle_timeout.timeout_seconds=%d}}
spec: {ingressClassName: alb}
"""
    write(site, "shop.yaml", manifests % 120)
    assert found("idle-timeout") == [("idle-timeout", "warning", "deploy/shop.yaml: shop")]
    write(site, "shop.yaml", manifests % 60)
    assert found("idle-timeout") == []

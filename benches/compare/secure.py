"""Load over TLS: requests by nghttp2's h2load, or connections with a handshake each by `handshakes`. Measures no server."""

from __future__ import annotations

import json
import re
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

from .workloads import Workload

PROGRAM = shutil.which("h2load")
NGINX = """
{user}
daemon off;
pid {directory}/nginx-tls.pid;
error_log stderr warn;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {directory}/tls-body;
    proxy_temp_path {directory}/tls-proxy;
    fastcgi_temp_path {directory}/tls-fastcgi;
    scgi_temp_path {directory}/tls-scgi;
    uwsgi_temp_path {directory}/tls-uwsgi;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:tls:10m;
    server {{
        listen 127.0.0.1:{port} ssl http2 backlog=1024;
        default_type text/plain;
        location / {{ return 200 "{text}"; }}
    }}
}}
"""


def missing() -> str | None:
    """What the rows need and this machine does not have."""
    return "h2load (Debian: nghttp2-client)" if not PROGRAM else None if shutil.which("openssl") else "openssl"


def certificate(directory: Path) -> dict[str, Path]:
    """For 127.0.0.1, made once."""
    files = {"certificate": directory / "certificate.pem", "key": directory / "key.pem"}
    if not files["key"].exists():
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                   "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                   "-keyout", files["key"], "-out", files["certificate"]]
        subprocess.run(command, check=True, capture_output=True)
    return files


def nginx(directory: Path, port: int, text: bytes, root: bool) -> Path:
    """Its configuration, where it is a server: the limit of what a handshake and a record cost."""
    place = directory / "nginx-tls.conf"
    place.write_text(NGINX.format(
        directory=directory, port=port, text=text.decode(), user="user root;" if root else "", **certificate(directory),
    ))
    return place


def context() -> ssl.SSLContext:
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


def command(workload: Workload, port: int, connections: int, seconds: float, scratch: Path, log: Path) -> list:
    """Expects the request and the right answer in files."""
    if workload.secure in ("full", "resumed"):
        return [sys.executable, "-m", "benches.compare.handshakes", str(port), str(seconds), workload.secure,
                scratch / "request", scratch / "expect"]
    streams = ["-m", "16"] if workload.secure == "h2" else ["-m", "1", "--h1"]
    body = []
    if workload.body:
        (scratch / "body").write_bytes(workload.body)
        body, streams = ["-d", scratch / "body"], ["-m", "1"]
    return [PROGRAM, "-c", str(connections), *streams, *body, "-D", f"{round(seconds * 1000)}ms", "--log-file", log,
            f"https://127.0.0.1:{port}{workload.path}"]


def result(workload: Workload, connections: int, done: subprocess.CompletedProcess, log: Path) -> dict:
    """As the load generator of plain HTTP gives it."""
    if workload.secure in ("full", "resumed"):
        return json.loads(done.stdout or "{}")
    rows = [[int(field) for field in line.split("\t")[:3]] for line in log.read_text().splitlines()]
    took = sorted(row[2] for row in rows)
    wrong = [row[1] for row in rows if row[1] != 200]
    data = re.search(r"\((\d+)\) data", done.stdout)
    # Answers that the end of the time has cut are in the traffic, and not in the log.
    short = len(rows) * len(workload.expect) - int(data[1]) if data else 0
    if not rows:
        return {"requests": 0, "errors": 1, "first_error": done.stdout[-300:] + done.stderr[-300:]}
    return {
        "requests": len(rows),
        "seconds": (max(row[0] + row[2] for row in rows) - min(row[0] for row in rows)) / 1e6,
        "errors": len(wrong) + (short > 0),
        "first_error": f"status {wrong[0]}" if wrong else f"{short} bytes of bodies are missing" if short > 0 else None,
        "p50_us": took[len(took) // 2],
        "p99_us": took[len(took) * 99 // 100],
        "opened": connections,
    }

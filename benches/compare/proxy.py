"""nginx between the load and a server's unix socket, with one worker on the load's CPU. Measures nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

PROGRAM = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")

#: As deployments write it; the two lines for upstream keep-alive are those of nginx's documentation.
CONFIGURATION = """
{user}
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    scgi_temp_path {directory}/scgi;
    uwsgi_temp_path {directory}/uwsgi;
    upstream app {{ server unix:{socket}; {keepalive} }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{
            proxy_set_header Host $http_host;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            {options}
            proxy_pass http://app;
        }}
    }}
}}
"""


def version() -> str | None:
    if not PROGRAM:
        return None
    done = subprocess.run([PROGRAM, "-v"], capture_output=True, text=True, timeout=10)
    return done.stderr.strip().rpartition("/")[2] or "unknown"


class Nginx:
    """Listens on `port` until `stop`; it inherits this process's CPU."""

    def __init__(self, directory: Path, port: int, socket: Path, kind: str) -> None:
        directory.mkdir(exist_ok=True)
        keeps = kind == "keep-alive"
        configuration = directory / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(
            directory=directory, port=port, socket=socket,
            # Its worker would be nobody otherwise, who may not use the socket of every server.
            user="user root;" if os.getuid() == 0 else "",
            keepalive="keepalive 64; keepalive_requests 1000000000;" if keeps else "",
            options='proxy_http_version 1.1; proxy_set_header Connection "";' if keeps else "",
        ))
        self.log = directory / "error.log"
        with (directory / "output.log").open("wb") as out:
            self.process = subprocess.Popen(
                [PROGRAM, "-p", directory, "-c", configuration], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,
            )

    def log_tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-5:]) if self.log.exists() else ""

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 4
        while self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

"""nginx in front of the server: a configuration as deployments write it, on a port of its own, all files in one directory."""

import os
import shutil
import signal
import socket
import subprocess

from . import processes
from .client import Client
from .waiting import eventually

PROGRAM = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
# Debian's own file; its content elsewhere.
PARAMS = "/etc/nginx/proxy_params"
PARAMS_TEXT = """
proxy_set_header Host $host;
proxy_set_header X-Real-IP $remote_addr;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_set_header X-Forwarded-Proto $scheme;
"""

CONFIGURATION = """
{user}
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
worker_processes 2;
events {{ worker_connections 512; }}
http {{
    types {{ text/css css; text/plain txt; }}
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    scgi_temp_path {directory}/scgi;
    uwsgi_temp_path {directory}/uwsgi;
    client_max_body_size 64m;
    # A request that fails fails: nginx is not to hide it by a second try.
    proxy_next_upstream off;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' '{connection}'; }}
    upstream django {{ server {upstream}; {keepalive} }}
    server {{
        listen {address};
        server_name site.example;
        {static}
        location / {{
            include {params};
            {options}
            proxy_pass {target};
        }}
    }}
}}
"""


USER = "user root;" if os.getuid() == 0 else ""


def listen():
    """Bound here and inherited, as nginx does it for itself when its binary is upgraded: no port is guessed."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    # nginx leaves an inherited socket as it is; of two workers woken by one connection the later would wait in accept().
    listener.setblocking(False)
    return listener


class Nginx:
    """`with Nginx(directory, server) as front:`; then send requests to `front` as to a server.

    keep_alive: whether connections to the server are kept (the upstream block's `keepalive`). through: "upstream", by the name of the
    upstream block, or "direct", by the address in `proxy_pass`. static: a directory to serve as /static/. options: further lines of the
    location.
    """

    @classmethod
    def of(cls, directory, text, listeners):
        """One with a configuration of the story's own; `listeners` are the sockets that it names."""
        front = cls.__new__(cls)
        front.directory, front.port = directory, listeners[-1].getsockname()[1]
        front.start(text, listeners)
        return front

    def __init__(self, directory, server, keep_alive=True, through="upstream", static=None, options="", websocket=False):
        assert PROGRAM, "nginx is not installed: `.ci/nginx` does it"
        self.directory = directory
        listener = listen()
        self.port = listener.getsockname()[1]
        if server.binds[0].startswith("unix:"):
            place = f"unix:{os.path.join(server.directory, server.binds[0][len('unix:'):])}"
        else:
            place = f"127.0.0.1:{server.port}"
        lines = [options]
        if keep_alive or websocket:
            lines.append("proxy_http_version 1.1;")
        if websocket:
            lines += ["proxy_set_header Upgrade $http_upgrade;", "proxy_set_header Connection $connection_upgrade;"]
        elif keep_alive:
            lines.append('proxy_set_header Connection "";')
        (directory / "proxy_params").write_text(PARAMS_TEXT)
        self.start(CONFIGURATION.format(
            user=USER,
            directory=directory,
            connection="" if keep_alive else "close",
            upstream=place,
            keepalive="keepalive 16;" if keep_alive else "",
            address=f"127.0.0.1:{self.port}",
            static=f"location /static/ {{ alias {static}/; }}" if static else "",
            params=PARAMS if os.path.exists(PARAMS) else directory / "proxy_params",
            options="\n            ".join(lines),
            target="http://django" if through == "upstream" else f"http://{place}",
        ), [listener])

    def start(self, text, listeners):
        (self.directory / "nginx.conf").write_text(text)
        numbers = [listener.fileno() for listener in listeners]
        self.process = subprocess.Popen(
            [PROGRAM, "-p", str(self.directory), "-c", str(self.directory / "nginx.conf")],
            env={**os.environ, "NGINX": "".join(f"{number};" for number in numbers)}, pass_fds=numbers, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        for listener in listeners:
            listener.close()
        eventually(lambda: len(self.workers()) >= 2 or self.process.poll() is not None, "nginx has its workers")
        assert self.process.poll() is None, self.process.stderr.read().decode()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            pass
        processes.kill_session(self.process.pid)
        self.process.wait()
        self.process.stderr.close()

    def workers(self):
        return [child for child in processes.children(self.process.pid) if processes.alive(child)]

    def reload(self):
        """`nginx -s reload`, and wait until new workers have come."""
        before = set(self.workers())
        self.process.send_signal(signal.SIGHUP)
        eventually(lambda: len(set(self.workers()) - before) >= 2, "nginx has new workers")

    def connect(self, timeout=10.0, source="127.0.0.1", **options):
        return Client.tcp("127.0.0.1", self.port, timeout=timeout, source=source, **options)

    def get(self, path="/", headers=(), **options):
        with self.connect(**options) as client:
            return client.get(path, headers=[("connection", "close"), *headers], host="site.example")

    def complaints(self):
        """What nginx has logged as an error."""
        text = (self.directory / "error.log").read_text()
        return [line for line in text.splitlines() if any(f"[{level}]" in line for level in ("error", "crit", "alert", "emerg"))]

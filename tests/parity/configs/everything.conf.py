"""With every setting spelt out, as generators of configuration files have it: most of them are the defaults."""

import multiprocessing
import os
import sys
import threading

bind = "127.0.0.1:" + os.environ.get("SITE_PORT", "0")
backlog = 2048
workers = min(multiprocessing.cpu_count() * 2 + 1, 2)
worker_class = "sync"
worker_connections = 1000
timeout = 30
keepalive = 2
max_requests = 1000
max_requests_jitter = 100
spew = False
daemon = False
raw_env = ["MYSITE=everything"]
pidfile = None
umask = 0
user = None
group = None
tmp_upload_dir = None
errorlog = "-"
loglevel = "debug"
accesslog = "-"
access_log_format = '%(h)s %(m)s %(U)s %(s)s'
proc_name = None
keyfile = os.getenv("SITE_KEY")
certfile = os.getenv("SITE_CERTIFICATE")
ca_certs = None
ssl_version = 5
ciphers = "ECDHE+AESGCM:!aNULL"
do_handshake_on_connect = True
statsd_host = None
statsd_prefix = ""
preload_app = True
enable_stdio_inheritance = True
capture_output = True
sendfile = False
limit_request_line = 4094
limit_request_fields = 100
limit_request_field_size = 8190


def on_starting(server):
    server.log.info("hook: on_starting")


def on_reload(server):
    server.log.info("hook: on_reload")


def pre_fork(server, worker):
    server.log.info("hook: pre_fork %s", worker.pid)


def post_fork(server, worker):
    server.log.info("hook: post_fork %s", worker.pid == os.getpid())


def pre_exec(server):
    server.log.info("hook: pre_exec")


def when_ready(server):
    server.log.info("hook: when_ready %s", bool(server.address))


def post_worker_init(worker):
    worker.log.info("hook: post_worker_init %s %s", worker.alive, callable(worker.wsgi))


def worker_int(worker):
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    worker.log.debug("hook: worker_int %s", [names.get(ident) for ident in sys._current_frames()][:1])


def worker_abort(worker):
    worker.log.info("hook: worker_abort")


def worker_exit(server, worker):
    server.log.info("hook: worker_exit")


def child_exit(server, worker):
    server.log.info("hook: child_exit %s", worker.pid > 0)


def nworkers_changed(server, new, old):
    server.log.info("hook: nworkers_changed %s %s", new, old)


def on_exit(server):
    server.log.info("hook: on_exit")

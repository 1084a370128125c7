"""As many Django projects have it."""

import multiprocessing
import os

bind = os.environ.get("BIND", "127.0.0.1:0")
workers = min(multiprocessing.cpu_count(), 2)
worker_class = "gthread"
threads = 2
timeout = 60
graceful_timeout = 20
keepalive = 5
max_requests = 1000
max_requests_jitter = 50
worker_tmp_dir = "/dev/shm"
forwarded_allow_ips = "*"
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}
limit_request_line = 4094
proc_name = "mysite"
accesslog = "-"
errorlog = "-"
loglevel = "info"
access_log_format = '%(h)s "%(r)s" %(s)s %(b)s'
raw_env = ["MYSITE=from the file"]


def when_ready(server):
    server.log.info("hook: when_ready")


def post_fork(server, worker):
    server.log.info("hook: post_fork age=%s", worker.age)


def worker_exit(server, worker):
    server.log.info("hook: worker_exit")


def on_exit(server):
    server.log.info("hook: on_exit")

"""An image's own file: everything from the environment, and printed at the start."""

import json
import multiprocessing
import os

cores = multiprocessing.cpu_count()
per_core = float(os.getenv("WORKERS_PER_CORE", "1"))
concurrency = os.getenv("WEB_CONCURRENCY")
if concurrency:
    concurrency = int(concurrency)
    assert concurrency > 0
else:
    concurrency = max(int(per_core * cores), 2)

loglevel = os.getenv("LOG_LEVEL", "info")
workers = concurrency
bind = os.getenv("BIND") or "%s:%s" % (os.getenv("HOST", "0.0.0.0"), os.getenv("PORT", "80"))
errorlog = os.getenv("ERROR_LOG", "-") or None
accesslog = os.getenv("ACCESS_LOG", "-") or None
worker_class = os.getenv("WORKER_CLASS", "uvicorn_worker.UvicornWorker")
worker_tmp_dir = "/dev/shm"
graceful_timeout = int(os.getenv("GRACEFUL_TIMEOUT", "120"))
timeout = int(os.getenv("TIMEOUT", "120"))
keepalive = int(os.getenv("KEEP_ALIVE", "5"))

print("settings", json.dumps({"workers": workers, "loglevel": loglevel, "timeout": timeout}))

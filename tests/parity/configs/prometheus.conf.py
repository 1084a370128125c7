"""prometheus_client's multiprocess recipe, as its documentation has it."""

from prometheus_client import multiprocess

workers = 2


def child_exit(server, worker):
    multiprocess.mark_process_dead(worker.pid)
    server.log.info("hook: child_exit %s", worker.pid)

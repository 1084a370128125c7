"""Probes are kept out of the access log, by means of Python's logging."""

import logging

accesslog = "-"
workers = 1


class Probes(logging.Filter):
    def filter(self, record):
        return "/healthz" not in record.getMessage()


def post_fork(server, worker):
    server.log.access_log.addFilter(Probes())
    logging.getLogger("gunicorn.error").info("by its name")

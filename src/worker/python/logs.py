"""gunicorn's loggers over the log of this server, and the user's logging configuration."""

import logging

ERROR_FORMAT = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
DATE_FORMAT = "[%Y-%m-%d %H:%M:%S %z]"
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}

# gunicorn.glogging.CONFIG_DEFAULTS: defaults for a configuration.
DEFAULTS = {
    "version": 1,
    "disable_existing_loggers": False,
    "root": {"level": "INFO", "handlers": ["console"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["error_console"], "propagate": True, "qualname": "gunicorn.error"},
        "gunicorn.access": {"level": "INFO", "handlers": ["console"], "propagate": True, "qualname": "gunicorn.access"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stdout"},
        "error_console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stderr"},
    },
    "formatters": {"generic": {"format": ERROR_FORMAT, "datefmt": DATE_FORMAT, "class": "logging.Formatter"}},
}


class ConfigError(Exception):
    """The logging configuration cannot be used. `args`: (summary,)."""


class Stream:
    """A text stream that writes to one of the server's logs."""

    def __init__(self, write):
        self._write = write

    def write(self, text):
        self._write(text)
        return len(text)

    def flush(self):
        pass


class ErrorHandler(logging.StreamHandler):
    """Writes records as lines of the error log, in its own format; with another formatter, as that formats them."""

    def __init__(self, say, write):
        super().__init__(Stream(write))
        self._say = say
        self._own = logging.Formatter(ERROR_FORMAT, DATE_FORMAT)
        self.setFormatter(self._own)

    def emit(self, record):
        if getattr(record, "rgun", False):
            return  # It is logged already.
        if self.formatter is not self._own:
            super().emit(record)
            return
        try:
            message = record.getMessage()
            below = []
            if record.exc_info and not record.exc_text:
                record.exc_text = self._own.formatException(record.exc_info)
            if record.exc_text:
                below.append(record.exc_text)
            if record.stack_info:
                below.append(record.stack_info)
            self._say(record.levelno, message, "\n".join(below))
        except Exception:
            self.handleError(record)


class AccessHandler(logging.StreamHandler):
    """`only`: access log lines come only this way, because a filter or formatter is set."""

    def __init__(self, write):
        super().__init__(Stream(write))
        self._own = logging.Formatter("%(message)s")
        self.setFormatter(self._own)
        self.only = False

    def emit(self, record):
        if self.only or not getattr(record, "rgun", False):
            super().emit(record)

    def is_changed(self):
        return bool(self.filters) or self.formatter is not self._own or self.level > logging.INFO


def install(level, say, write, write_access):
    """The loggers that apps find under gunicorn: they write to the server's logs."""
    error, access = logging.getLogger("gunicorn.error"), logging.getLogger("gunicorn.access")
    error.propagate = access.propagate = False
    error.setLevel(LEVELS[level])
    access.setLevel(logging.INFO)
    error.addHandler(ErrorHandler(say, write))
    if write_access is not None:
        access.addHandler(AccessHandler(write_access))
    _lend(error, access)


def _lend(error, access):
    """Adds handlers to uvicorn's loggers, as its worker for gunicorn does: apps log there, too. Those that have handlers keep them."""
    for name, lender in (("uvicorn", error), ("uvicorn.error", error), ("uvicorn.access", access)):
        logger = logging.getLogger(name)
        if all(isinstance(handler, (ErrorHandler, AccessHandler)) for handler in logger.handlers):
            logger.handlers = lender.handlers[:]
            logger.setLevel(lender.level)
            logger.propagate = logger.disabled = False


def configure(kind, source, load=None):
    """Applies the user's configuration, as gunicorn does. `load`: reads a Python configuration file again, for what JSON
    cannot hold."""
    import logging.config

    try:
        if kind == "file":
            _from_file(source)
        else:
            _from_dict(kind, source, load)
    except Exception as error:
        summary = "%s: %s" % (type(error).__name__, error)
        cause = error.__cause__
        raise ConfigError("%s (%s)" % (summary, cause) if cause else summary) from None
    _lend(logging.getLogger("gunicorn.error"), logging.getLogger("gunicorn.access"))


def routes():
    """Which logs go to the server's own, and which to Python's handlers: (error native, error Python, access native, access
    Python). Depends on what a configuration, the app or its hooks have done to the loggers."""
    return _takers("gunicorn.error", ErrorHandler) + _takers_of_requests()


def _from_file(path):
    import os

    path = os.fspath(path)
    defaults = {"__file__": path.replace("%", "%%"), "here": os.path.dirname(path).replace("%", "%%")}
    logging.config.fileConfig(path, defaults=defaults, disable_existing_loggers=False)


def _from_dict(kind, source, load):
    import json

    if kind == "json":
        with open(source, encoding="utf-8") as file:
            given = json.load(file)
    else:
        given = json.loads(source)
        if load is not None and "rgun.location" in given:
            given = load(given["rgun.location"], given["rgun.directory"])[0]["logconfig_dict"]
    if not isinstance(given, dict):
        raise ValueError("it is not an object")
    config = dict(DEFAULTS)
    config.update(given)
    logging.config.dictConfig(config)


def _takers(name, own):
    """Whether our handler is (still) attached, and whether others are."""
    logger = logging.getLogger(name)
    native = any(isinstance(handler, own) for handler in logger.handlers)
    while logger is not None:
        if not logger.disabled and any(not isinstance(handler, own) for handler in logger.handlers):
            return (native, True)
        logger = logger.parent if logger.propagate else None
    return (native, False)


def _takers_of_requests():
    native, python = _takers("gunicorn.access", AccessHandler)
    logger = logging.getLogger("gunicorn.access")
    if logger.getEffectiveLevel() > logging.INFO:
        return (False, False)
    own = [handler for handler in logger.handlers if isinstance(handler, AccessHandler)]
    if own and (logger.filters or any(handler.is_changed() for handler in own)):
        for handler in own:
            handler.only = True
        return (False, True)
    return (native, python)


def start_relay(take, names, report):
    """A thread that passes the server's messages to the loggers. It ends when `take` does."""
    import threading

    thread = threading.Thread(target=_relay, args=(take, names, LostRecords(report)), name="rgun-logs", daemon=True)
    thread.start()
    return thread


def _relay(take, names, lost):
    error, access = logging.getLogger("gunicorn.error"), logging.getLogger("gunicorn.access")
    while True:
        taken = take()
        if taken is None:
            lost.report()
            return
        items, dropped = taken
        for item in items:
            # Filters, formatters and handlers are the user's own. One that raises costs its record, not the thread.
            try:
                _pass(error, access, names, *item)
            except BaseException as failure:
                lost.add(failure)
        if dropped:
            try:
                _hand(error, logging.WARNING, "%d log records dropped", (dropped,))
            except BaseException as failure:
                lost.add(failure)


def _pass(error, access, names, level, text, request):
    if request is None:
        _hand(error, level, text, ())
    else:
        atoms, fields = request
        _hand(access, level, text.replace("%", "%%"), (_typed(Atoms(fields), zip(names, atoms)),))


class LostRecords:
    """Counts records for which a filter or handler raised. Reports the first one at once, more of them once in `INTERVAL`
    seconds, past Python's loggers; with the last traceback, unless `logging.raiseExceptions` is off."""

    INTERVAL = 60.0

    def __init__(self, write):
        self._write = write
        self._count = 0
        self._last = None
        self._reported = None

    def add(self, failure):
        import time

        self._count += 1
        self._last = failure
        now = time.monotonic()
        if self._reported is None or now - self._reported >= self.INTERVAL:
            self._reported = now
            self.report()

    def report(self):
        if not self._count:
            return
        import traceback

        lost, failure = self._count, self._last
        self._count, self._last = 0, None
        below = ""
        if logging.raiseExceptions:
            try:
                below = "".join(traceback.format_exception(type(failure), failure, failure.__traceback__)).rstrip("\n")
            except Exception:
                below = type(failure).__name__
        self._write(logging.ERROR, "exception in a filter or handler of Python's logging, log records lost: %d" % lost, below)


class Atoms(dict):
    """As gunicorn's: fields by their names in any case, and a dash for missing ones."""

    def __missing__(self, name):
        lower = name.lower()
        return self[lower] if lower != name and name.startswith("{") else "-"


def _typed(atoms, named):
    atoms.update(named)
    for name in "BTDM":
        atoms[name] = int(atoms[name])
    return atoms


def _hand(logger, level, message, args):
    if logger.isEnabledFor(level):
        record = logger.makeRecord(logger.name, level, "(rgun)", 0, message, args, None)
        record.rgun = True
        logger.handle(record)


def reopen():
    """Reopens files of Python's own handlers after a rotation, as gunicorn does on USR1. One that fails does not keep the others
    from it; its exception is raised in the end."""
    failure = None
    loggers = [logging.root] + [logging.getLogger(name) for name in list(logging.root.manager.loggerDict)]
    for handler in {handler for logger in loggers for handler in logger.handlers}:
        if isinstance(handler, logging.FileHandler):
            handler.acquire()
            try:
                if handler.stream:
                    handler.close()
                    handler.stream = handler._open()
            except Exception as error:
                failure = error
            finally:
                handler.release()
    if failure is not None:
        raise failure


def unbuffer():
    """Output to a file appears line by line, as the log messages in between do."""
    import sys

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)

"""Runs a configuration file in Python and reports its settings as plain data.

Runs in two places: in a process that exits after it has reported the settings, and in the mold that workers are forked from,
which keeps the file's effects on Python (`hooks.py`). All imports are up here: later ones would search the project's
directories first.
"""

import ast
import importlib
import importlib.machinery
import importlib.util
import inspect
import json
import logging
import os
import re
import signal
import sys
import time
import traceback
import types
from difflib import get_close_matches
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

# With the number of arguments that each is called with.
HOOKS = {
    "on_starting": 1, "on_reload": 1, "when_ready": 1, "pre_fork": 2, "post_fork": 2, "post_worker_init": 1, "worker_int": 1, "worker_abort": 1,
    "pre_request": 2, "post_request": 4, "child_exit": 2, "worker_exit": 2, "nworkers_changed": 3, "on_exit": 1, "pre_exec": 1,
}


# `CONFIG_KWARGS` of uvicorn's own classes.
UVICORN_OPTIONS = {"loop": "auto", "http": "auto"}
# The formats of gunicorn's Logger; a file's changes to them are reported.
GUNICORN_FORMATS = {
    "error_fmt": "%(asctime)s [%(process)d] [%(levelname)s] %(message)s", "datefmt": "[%Y-%m-%d %H:%M:%S %z]", "access_fmt": "%(message)s",
    "syslog_fmt": "[%(process)d] %(message)s",
}

REASONS = {int(status): status.phrase for status in HTTPStatus}


class Wrong(Exception):
    """A value that is not valid for its setting."""


# ---- The file


def load(location, directory=None, stay=False):
    """The names of `file:PATH` or `python:MODULE`, and which of them the file itself reads. `stay`: the stand-ins for gunicorn
    remain afterwards, for the imports of the file's hooks."""
    ran = sys.modules.get("__config__" if location.startswith("file:") else location[len("python:"):])
    if ran is not None and location in ("file:%s" % getattr(ran, "__file__", None), "python:%s" % ran.__name__):
        return vars(ran), _read_names(ran.__file__)
    for entry in (directory, _directory()):
        if entry is not None and entry not in sys.path:
            sys.path.insert(0, entry)
    with _StandIns(stay):
        if location.startswith("python:"):
            module = importlib.import_module(location[len("python:"):])
        else:
            path = location[len("file:"):]
            # gunicorn's name for the module. The loader is explicit, because a file name without .py does not imply one.
            loader = importlib.machinery.SourceFileLoader("__config__", path)
            spec = importlib.util.spec_from_file_location("__config__", path, loader=loader)
            module = importlib.util.module_from_spec(spec)
            sys.modules["__config__"] = module
            spec.loader.exec_module(module)
    return vars(module), _read_names(getattr(module, "__file__", None))


def _directory():
    """The working directory; None: it is gone."""
    try:
        return os.getcwd()
    except OSError:
        return None


def _read_names(path):
    """Names whose value the file uses: these are not reported, even if they are not settings."""
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, TypeError, ValueError):
        return None
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def _http_date(timestamp=None):
    from email.utils import formatdate

    return formatdate(timestamp, localtime=False, usegmt=True)


def _response():
    """gunicorn's Response, as far as its fields go, so that the fields that a subclass adds and leaves out can be found."""
    def default_headers(self):
        connection = "upgrade" if self.upgrade else "close" if self.should_close() else "keep-alive"
        headers = ["HTTP/%s.%s %s\r\n" % (self.req.version[0], self.req.version[1], self.status)]
        headers += ["Server: %s\r\n" % self.version, "Date: %s\r\n" % _http_date(), "Connection: %s\r\n" % connection]
        if self.chunked:
            headers.append("Transfer-Encoding: chunked\r\n")
        return headers

    names = ("send_headers", "process_headers", "write", "close", "start_response", "is_chunked", "should_close", "can_sendfile", "sendfile", "write_file", "force_close")
    methods = {name: lambda self, *arguments: None for name in names}
    return type("Response", (), {"__module__": "gunicorn.http.wsgi", "default_headers": default_headers, **methods})


class _StandIns:
    """Stand-ins for the modules of gunicorn and of uvicorn's worker that files import, where these are not installed: while the
    file is loaded, or from then on."""

    def __init__(self, stay=False):
        self.stay = stay

    def __enter__(self):
        self.added = []
        worker = type("Worker", (), {})
        if not self._is_there("gunicorn"):
            self._add(self._gunicorn(worker))
        for package, place in (("uvicorn", "uvicorn.workers"), ("uvicorn_worker", "uvicorn_worker")):
            if not self._is_there(package):
                own = {"CONFIG_KWARGS": dict(UVICORN_OPTIONS), "__module__": place}
                plain = type("UvicornWorker", (worker,), own)
                self._add({package: {}, place: {"UvicornWorker": plain, "UvicornH11Worker": type("UvicornH11Worker", (plain,), {"__module__": place})}})

    def _is_there(self, package):
        try:
            return importlib.util.find_spec(package) is not None
        except ValueError:
            return True

    def _gunicorn(self, worker):
        logger = type("Logger", (), {
            "__module__": "gunicorn.glogging", **GUNICORN_FORMATS,
        })
        defaults = {
            "version": 1, "disable_existing_loggers": False, "root": {"level": "INFO", "handlers": ["console"]},
            "loggers": {
                "gunicorn.error": {"level": "INFO", "handlers": ["error_console"], "propagate": True, "qualname": "gunicorn.error"},
                "gunicorn.access": {"level": "INFO", "handlers": ["console"], "propagate": True, "qualname": "gunicorn.access"},
            },
            "handlers": {
                "console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stdout"},
                "error_console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stderr"},
            },
            "formatters": {
                "generic": {
                    "format": "%(asctime)s [%(process)d] [%(levelname)s] %(message)s", "datefmt": "[%Y-%m-%d %H:%M:%S %z]", "class": "logging.Formatter",
                },
            },
        }
        return {
            "gunicorn": {"SERVER": "gunicorn", "SERVER_SOFTWARE": "gunicorn", "__version__": "27.0.1", "version_info": (27, 0, 1)},
            "gunicorn.arbiter": {"Arbiter": type("Arbiter", (), {"WORKER_BOOT_ERROR": 3, "APP_LOAD_ERROR": 4})},
            "gunicorn.glogging": {"Logger": logger, "SafeAtoms": type("SafeAtoms", (dict,), {}), "CONFIG_DEFAULTS": defaults},
            "gunicorn.app": {},
            "gunicorn.app.base": {"Application": type("Application", (), {}), "BaseApplication": type("BaseApplication", (), {})},
            "gunicorn.config": {"Config": type("Config", (), {}), "Setting": type("Setting", (), {})},
            "gunicorn.errors": {name: type(name, (Exception,), {}) for name in ("HaltServer", "ConfigError", "AppImportError")},
            "gunicorn.http": {},
            "gunicorn.http.errors": {name: type(name, (Exception,), {}) for name in ("ParseException", "NoMoreData", "InvalidHeader", "LimitRequestHeaders")},
            "gunicorn.http.message": {"Request": type("Request", (), {"__module__": "gunicorn.http.message"})},
            "gunicorn.http.wsgi": {"Response": _response(), "SERVER_SOFTWARE": "gunicorn", "SERVER": "gunicorn"},
            "gunicorn.instrument": {},
            "gunicorn.instrument.statsd": {"Statsd": type("Statsd", (logger,), {"__module__": "gunicorn.instrument.statsd"})},
            "gunicorn.util": {"http_date": _http_date, "getcwd": os.getcwd, "setproctitle": lambda title: None, "_setproctitle": lambda title: None},
            "gunicorn.workers": {},
            "gunicorn.workers.base": {"Worker": worker},
            "gunicorn.workers.sync": {"SyncWorker": type("SyncWorker", (worker,), {"__module__": "gunicorn.workers.sync"})},
            "gunicorn.workers.gthread": {"ThreadWorker": type("ThreadWorker", (worker,), {"__module__": "gunicorn.workers.gthread"})},
        }

    def _add(self, modules):
        for name, names in modules.items():
            module = types.ModuleType(name)
            # Shown in messages about missing names in it.
            place = "rgun's stand-in: %s is not installed" % name.partition(".")[0]
            vars(module).update(names, __path__=[], __file__=place)
            sys.modules[name] = module
            self.added.append(name)
            parent, _, last = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], last, module)

    def __exit__(self, *_):
        for name in () if self.stay else self.added:
            sys.modules.pop(name, None)


# ---- Its settings


def tell(request):
    """Everything in the file that affects the server, as plain data."""
    environment, path, modules, directory = dict(os.environ), list(sys.path), set(sys.modules), _directory()
    names, read, known, theirs = {}, set(), set(request["settings"]), set(request["gunicorn"])
    location = request["location"]
    if location is not None:
        names, read = load(location)
    settings, unknown, hooks = {}, [], []
    for name, value in names.items():
        if name == "logger_class" and isinstance(value, type):
            settings[name] = _logger_facts(value)
        elif name in HOOKS:
            if _hook(name, value) is not None:
                hooks.append(name)
        elif name in known and name not in theirs and not _is_for_us(name, value, read):
            continue
        elif name in known:
            settings[name] = _logging(value, location) if name == "logconfig_dict" else _plain(name, value)
        elif read is not None and name not in read and _looks_like_a_setting(name, value, known):
            unknown.append(name)
    if location is not None and "logger_class" not in settings and request.get("logger_class") is None:
        patched = _patched_logger()
        if patched is not None:
            settings["logger_class"] = patched
    if callable(names.get("ssl_context")) and settings.get("certfile"):
        del settings["ssl_context"]
        settings.update(_ssl_settings(names["ssl_context"], settings))
    chosen = request.get("worker_class")
    if chosen is None and isinstance(settings.get("worker_class"), str):
        chosen = settings["worker_class"]
    # gunicorn's own are known by name, even if their dependencies are not installed.
    # uvicorn's are inspected if the file may have changed their options.
    ours = chosen in request["worker_classes"] and not (chosen and chosen.startswith("uvicorn") and chosen.rpartition(".")[0] in sys.modules)
    if chosen is not None and not ours and not chosen.startswith(("gunicorn.", "egg:")):
        with _StandIns():
            found = _class_named(chosen)
        if found is not None:
            settings["worker_class"] = _class_facts(found)
    logger = request.get("logger_class")
    if logger is None:
        logger = settings.get("logger_class")
    if isinstance(logger, str) and "." in logger and not logger.startswith("gunicorn."):
        with _StandIns():
            try:
                found = _attribute(logger)
            except (ImportError, AttributeError) as error:
                raise Wrong("logger_class %s: %s" % (logger, error)) from None
            if isinstance(found, type):
                settings["logger_class"] = _logger_facts(found)
    for name, value in settings.items():
        _check_sent(name, value)
    after = dict(os.environ)
    changed = {name: value for name, value in after.items() if environment.get(name) != value}
    added = [entry for entry in sys.path if isinstance(entry, str) and entry not in path and entry != directory]
    # What is no UTF-8 reaches the workers by the process that has run the file.
    whole = environment.keys() <= after.keys() and all(map(_is_utf8, [*changed, *changed.values(), *added]))
    return {
        "settings": settings,
        "unknown": unknown,
        "hooks": hooks,
        "acts": location is not None and (bool(hooks) or "rgun.location" in (settings.get("logconfig_dict") or ()) or not whole or _acts(names, modules)),
        "environment": {name: value for name, value in changed.items() if _is_utf8(name) and _is_utf8(value)},
        "path": list(filter(_is_utf8, added)),
    }


def _is_utf8(text):
    return text == _escaped(text)


def _escaped(text):
    """What is no UTF-8 as Python shows it: lone surrogates, from names of files."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _check_sent(name, value):
    """Raises Wrong for what JSON does not have."""
    if isinstance(value, str) and not _is_utf8(value):
        raise Wrong("%s: %s is not UTF-8" % (name, ascii(value)))
    if isinstance(value, (int, float)) and not abs(value) < 2**63:
        shown = repr(value) if isinstance(value, float) else "that number"
        raise Wrong("%s: %s is beyond any that the server can use" % (name, shown))
    for part in [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ():
        _check_sent(name, part)


def _is_for_us(name, value, read):
    """A setting that gunicorn does not have may be a variable of the file's own: one that it uses itself, or of another type."""
    return (read is None or name not in read) and isinstance(value, (str, bool, int, float, list, tuple, dict))


def _patched_logger():
    """gunicorn's Logger where the file has changed its formats or methods in place."""
    module = sys.modules.get("gunicorn.glogging")
    found = getattr(module, "Logger", None)
    if not isinstance(found, type) or _dotted(found) != "gunicorn.glogging.Logger":
        return None
    formats = {name: str(getattr(found, name, default)) for name, default in GUNICORN_FORMATS.items() if getattr(found, name, default) != default}
    methods = [name for name in LOGGER_METHODS if getattr(vars(found).get(name), "__module__", "gunicorn.glogging") not in ("gunicorn.glogging", None)]
    if not formats and not methods:
        return None
    name = "gunicorn.glogging.Logger (changed by the file)"
    return {"class": name, "ancestors": [name, "gunicorn.glogging.Logger"], "overrides": methods, "options": formats}


def _looks_like_a_setting(name, value, known):
    if name.startswith("_") or name.isupper() or isinstance(value, (type, types.ModuleType)):
        return False
    if callable(value):
        return bool(get_close_matches(name, [*HOOKS, *known], 1, 0.8))
    return isinstance(value, (str, bytes, int, float, list, tuple, dict, set, type(None)))


def _hook(name, value):
    """The callable, or None for one that does nothing; gunicorn's rules for the number of arguments."""
    if value is None:
        return None
    if isinstance(value, str):
        if not all(value.replace(":", ".").split(".")) or not value.count(".") + value.count(":"):
            raise Wrong("%s: %r is neither a function nor the MODULE.NAME of one" % (name, value))
        value = _attribute(value)
    if not callable(value):
        raise Wrong("%s is not callable" % name)
    try:
        parameters = list(inspect.signature(value).parameters.values())
    except (TypeError, ValueError):
        return value
    wanted = HOOKS[name]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return value
    given = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    least = sum(p.default is p.empty for p in given)
    if least <= wanted <= len(given):
        return value
    if name == "post_request" and least <= 3 <= len(given):
        return lambda worker, req, environ, resp: value(worker, req, environ)
    if name == "post_request" and least <= 2 <= len(given):
        return lambda worker, req, environ, resp: value(worker, req)
    if name == "worker_exit" and least <= 1 <= len(given):
        return lambda server, worker: value(worker)
    raise Wrong("%s must take %d arguments" % (name, wanted))


def _attribute(path):
    module, _, name = path.replace(":", ".").rpartition(".")
    return getattr(importlib.import_module(module), name)


def _plain(name, value):
    if isinstance(value, type):
        return _class_facts(value)
    if isinstance(value, (bool, int, float, type(None), str)):
        return value
    if isinstance(value, (bytes, os.PathLike)):
        return os.fsdecode(value)
    if isinstance(value, dict):
        return {str(key): str(part) for key, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [str(part) if not isinstance(part, (bytes, os.PathLike)) else os.fsdecode(part) for part in value]
    if callable(value):
        return {"callable": _dotted(value)}
    return str(value)


def _logging(value, location):
    """A dictionary; one that holds objects (classes, streams, filters) is read from the file again by each worker."""
    if not isinstance(value, dict):
        return _plain("logconfig_dict", value)
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        return {"rgun.location": location, "rgun.directory": os.getcwd()}


def _dotted(value):
    return "%s.%s" % (getattr(value, "__module__", "?"), getattr(value, "__qualname__", type(value).__name__))


def _class_named(name):
    """The class behind a dotted name; None: it names none, which the caller reports."""
    if "." not in name and ":" not in name:
        return None
    try:
        found = _attribute(name)
    except (ImportError, AttributeError) as error:
        raise Wrong("worker_class %s: %s" % (name, error)) from None
    return found if isinstance(found, type) else None


def _class_facts(found):
    ours = [one for one in found.__mro__ if not _class_name(one).startswith(("uvicorn", "gunicorn", "builtins.", "rgun"))]
    methods = [(name, value) for one in ours for name, value in vars(one).items()]
    own = [name for name, value in methods if callable(value) and (not name.startswith("__") or name == "__init__")]
    ancestors = [_class_name(one) for one in found.__mro__]
    options = getattr(found, "CONFIG_KWARGS", None) or {}
    if not ours and options == UVICORN_OPTIONS:
        options = {}
    return {
        "class": _class_name(found),
        "ancestors": ancestors,
        "overrides": own,
        "options": {key: _logging(value, None) if key == "log_config" else _option(value) for key, value in options.items()},
    }


def _option(value):
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _class_name(found):
    """By where it is imported from: the package `uvicorn_worker` has its classes in a module of its own."""
    name = _dotted(found)
    for package in ("uvicorn_worker", "uvicorn.workers"):
        if name.startswith(package + "._"):
            return package + "." + found.__qualname__
    return name


# The methods of gunicorn's logger class, and its attributes that are only values.
LOGGER_METHODS = (
    "__init__", "setup", "critical", "error", "warning", "info", "debug", "exception", "log", "atoms", "access_log_enabled", "_compute_access_log_enabled",
    "access", "now", "reopen_files", "close_on_exec", "_get_gunicorn_handler", "_set_handler", "_set_syslog_handler", "_get_user", "atoms_wrapper_class",
)
LOGGER_FORMATS = ("error_fmt", "datefmt", "access_fmt", "syslog_fmt")


def _logger_facts(found):
    """Its attributes, and the methods that it overrides."""
    theirs = [one for one in found.__mro__ if _dotted(one).startswith("gunicorn.")]
    own = [one for one in found.__mro__ if one not in theirs and one is not object]
    formats = {}
    for one in reversed(own):
        for name in LOGGER_FORMATS:
            if name in vars(one):
                formats[name] = None if vars(one)[name] is None else str(vars(one)[name])
    return {
        "class": _dotted(found),
        "ancestors": [_dotted(one) for one in found.__mro__],
        "overrides": [name for name in LOGGER_METHODS if any(name in vars(one) for one in own)],
        "options": formats,
    }


# ---- The process that reports them


def _users_frames(error):
    """The traceback from the user's code on, without rgun's frames."""
    tb = error.__traceback__
    while tb is not None and (tb.tb_frame.f_code.co_filename.startswith("<rgun") or "importlib" in tb.tb_frame.f_code.co_filename):
        tb = tb.tb_next
    return tb


def _traceback(error):
    return "".join(traceback.format_exception(type(error), error, _users_frames(error)))


def _summary(error):
    return traceback.format_exception_only(type(error), error)[-1].strip()


def evaluate(request, output):
    try:
        text = json.dumps(tell(request))
    except Wrong as error:
        text = json.dumps({"error": _escaped(str(error)), "traceback": ""})
    except BaseException as error:  # also a SystemExit of the file's: the server decides when it exits
        text = json.dumps({"error": _escaped(_summary(error)), "traceback": _escaped(_traceback(error))})
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass
    # The NUL ends the answer: what the file has forked may keep the output open.
    output.write(text.encode() + b"\n\0")
    output.flush()
    # Does not wait for threads that the file has started.
    os._exit(0)


def main(question):
    """Writes the answer to standard output; the file's own output goes to standard error."""
    os.set_blocking(1, True)
    output = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    # So that the file's output appears as soon as it is printed.
    sys.stdout.reconfigure(line_buffering=True)
    evaluate(json.loads(question), output)

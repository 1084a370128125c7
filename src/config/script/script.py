"""A configuration file of gunicorn's: run, told as plain data, and its hooks called. It serves nothing.

Runs in three places: in a process that ends when it has told the settings, in one that stays for the master's hooks, and
in a worker that has hooks. Each of them loads the file for itself. All imports are up here: later ones would look in the
project's directories first.
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

# With the number of arguments that each is called with.
HOOKS = {
    "on_starting": 1, "on_reload": 1, "when_ready": 1, "pre_fork": 2, "post_fork": 2, "post_worker_init": 1, "worker_int": 1, "worker_abort": 1,
    "pre_request": 2, "post_request": 4, "child_exit": 2, "worker_exit": 2, "nworkers_changed": 3, "on_exit": 1,
}


REASONS = {int(status): status.phrase for status in HTTPStatus}


class Wrong(Exception):
    """A value that cannot be one of that setting."""


# ---- The file


def load(location, directory=None):
    """The names of `file:PATH` or `python:MODULE`, and which of them the file itself reads."""
    for entry in (directory, os.getcwd()):
        if entry is not None and entry not in sys.path:
            sys.path.insert(0, entry)
    with _StandIns():
        if location.startswith("python:"):
            module = importlib.import_module(location[len("python:"):])
        else:
            path = location[len("file:"):]
            # What gunicorn calls it. Without a .py the name says nothing of how it is to be loaded.
            loader = importlib.machinery.SourceFileLoader("__config__", path)
            spec = importlib.util.spec_from_file_location("__config__", path, loader=loader)
            module = importlib.util.module_from_spec(spec)
            sys.modules["__config__"] = module
            spec.loader.exec_module(module)
    return vars(module), _read_names(getattr(module, "__file__", None))


def _read_names(path):
    """Names whose value the file uses: those are its own business, even if they are no settings."""
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, TypeError, ValueError):
        return None
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


class _StandIns:
    """What files import of gunicorn (and uvicorn's worker does), or of uvicorn's worker, where they are not installed: only while
    the file is loaded."""

    def __enter__(self):
        self.added = []
        worker = type("Worker", (), {})
        if not self._is_there("gunicorn"):
            self._add(self._gunicorn(worker))
        for package, place in (("uvicorn", "uvicorn.workers"), ("uvicorn_worker", "uvicorn_worker")):
            if not self._is_there(package):
                own = {"CONFIG_KWARGS": {"loop": "auto", "http": "auto"}, "__module__": place}
                plain = type("UvicornWorker", (worker,), own)
                self._add({package: {}, place: {"UvicornWorker": plain, "UvicornH11Worker": type("UvicornH11Worker", (plain,), {"__module__": place})}})

    def _is_there(self, package):
        try:
            return importlib.util.find_spec(package) is not None
        except ValueError:
            return True

    def _gunicorn(self, worker):
        logger = type("Logger", (), {
            "__module__": "gunicorn.glogging", "error_fmt": "%(asctime)s [%(process)d] [%(levelname)s] %(message)s", "datefmt": "[%Y-%m-%d %H:%M:%S %z]",
            "access_fmt": "%(message)s", "syslog_fmt": "[%(process)d] %(message)s",
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
            "gunicorn.workers": {},
            "gunicorn.workers.base": {"Worker": worker},
            "gunicorn.workers.sync": {"SyncWorker": type("SyncWorker", (worker,), {"__module__": "gunicorn.workers.sync"})},
            "gunicorn.workers.gthread": {"ThreadWorker": type("ThreadWorker", (worker,), {"__module__": "gunicorn.workers.gthread"})},
        }

    def _add(self, modules):
        for name, names in modules.items():
            module = types.ModuleType(name)
            # What messages about further names in it show.
            place = "rgun's stand-in: %s is not installed" % name.partition(".")[0]
            vars(module).update(names, __path__=[], __file__=place)
            sys.modules[name] = module
            self.added.append(name)
            parent, _, last = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], last, module)

    def __exit__(self, *_):
        for name in self.added:
            sys.modules.pop(name, None)


# ---- What it says


def tell(request):
    """Everything of the file that the server goes by, as plain data."""
    environment, path = dict(os.environ), list(sys.path)
    names, read, known = {}, set(), set(request["settings"])
    location = request["location"]
    if location is not None:
        names, read = load(location)
    settings, unknown, hooks = {}, [], []
    for name, value in names.items():
        if name == "logger_class" and isinstance(value, type):
            settings[name] = _told_logger(value)
        elif name in HOOKS:
            if _hook(name, value) is not None:
                hooks.append(name)
        elif name in known:
            settings[name] = _logging(value, location) if name == "logconfig_dict" else _plain(name, value)
        elif read is not None and name not in read and _looks_like_a_setting(name, value, known):
            unknown.append(name)
    if callable(names.get("ssl_context")) and settings.get("certfile"):
        del settings["ssl_context"]
        settings.update(_ssl_settings(names["ssl_context"], settings))
    chosen = request.get("worker_class")
    if chosen is None and isinstance(settings.get("worker_class"), str):
        chosen = settings["worker_class"]
    # gunicorn's own are known by their names, also where what they need is not installed.
    if chosen is not None and chosen not in request["worker_classes"] and not chosen.startswith(("gunicorn.", "egg:")):
        with _StandIns():
            found = _class_named(chosen)
        if found is not None:
            settings["worker_class"] = _told_class(found)
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
                settings["logger_class"] = _told_logger(found)
    after = dict(os.environ)
    return {
        "settings": settings,
        "unknown": unknown,
        "hooks": hooks,
        "environment": {name: value for name, value in after.items() if environment.get(name) != value},
        "removed": [name for name in environment if name not in after],
        "path": [entry for entry in sys.path if isinstance(entry, str) and entry not in path and entry != os.getcwd()],
    }


def _ssl_settings(hook, settings):
    """What the hook `ssl_context` changes of the context that gunicorn would make, as settings. TLS is not Python's here: what
    no setting says is an error."""
    import ssl

    values = {"keyfile": None, "ca_certs": None, "cert_reqs": 0, "ciphers": None, **settings}
    first = {name: value[0] if isinstance(value, list) else value for name, value in values.items() if name in ("certfile", "keyfile")}
    made = []

    def default():
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=values["ca_certs"] or None)
        context.load_cert_chain(first["certfile"], first["keyfile"] or None)
        if values["cert_reqs"]:
            context.verify_mode = ssl.VerifyMode(int(values["cert_reqs"]))
        if values["ciphers"]:
            context.set_ciphers(values["ciphers"])
        made.append(context)
        return context

    context = hook(Config({**values, **first}), default)
    if not any(context is one for one in made):
        raise Wrong("ssl_context has to return the context that its second argument makes")
    before = default()
    told = {}
    if context.verify_mode != before.verify_mode:
        told["cert_reqs"] = str(int(context.verify_mode))
    if [suite["name"] for suite in context.get_ciphers()] != [suite["name"] for suite in before.get_ciphers()]:
        told["ciphers"] = ":".join(suite["name"] for suite in context.get_ciphers())
    if context.minimum_version == ssl.TLSVersion.TLSv1_3 or context.options & ssl.OP_NO_TLSv1_2:
        told["tls_min_version"] = "1.3"
    if context.maximum_version not in (before.maximum_version, ssl.TLSVersion.TLSv1_3) or context.options & ssl.OP_NO_TLSv1_3:
        raise Wrong("ssl_context: maximum_version is not supported: TLS 1.3 is always accepted")
    # What has no meaning here, or is the case anyway.
    harmless = ssl.OP_ALL | ssl.OP_NO_SSLv2 | ssl.OP_NO_SSLv3 | ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1 | ssl.OP_NO_TLSv1_2 | ssl.OP_NO_COMPRESSION
    for name in ("OP_NO_RENEGOTIATION", "OP_SINGLE_DH_USE", "OP_SINGLE_ECDH_USE", "OP_IGNORE_UNEXPECTED_EOF", "OP_ENABLE_MIDDLEBOX_COMPAT"):
        harmless |= getattr(ssl, name, 0)
    if (context.options ^ before.options) & ~harmless:
        raise Wrong("ssl_context: options %s are not supported" % ssl.Options((context.options ^ before.options) & ~harmless))
    for name in ("check_hostname", "verify_flags", "sni_callback", "keylog_filename", "num_tickets", "post_handshake_auth", "security_level"):
        if getattr(context, name, None) != getattr(before, name, None):
            raise Wrong("ssl_context: %s is not supported" % name)
    if sorted(context.get_ca_certs(True)) != sorted(before.get_ca_certs(True)):
        raise Wrong("ssl_context: load_verify_locations is not supported: set ca_certs")
    return told


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
        return _told_class(value)
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
    """A dictionary; one that holds objects (classes, streams, filters) is taken from the file again, by each worker."""
    if not isinstance(value, dict):
        return _plain("logconfig_dict", value)
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        return {"rgun.location": location, "rgun.directory": os.getcwd()}


def _dotted(value):
    return "%s.%s" % (getattr(value, "__module__", "?"), getattr(value, "__qualname__", type(value).__name__))


def _class_named(name):
    """The class behind a dotted name; None: it names none, and whoever asked says so."""
    if "." not in name and ":" not in name:
        return None
    try:
        found = _attribute(name)
    except (ImportError, AttributeError) as error:
        raise Wrong("worker_class %s: %s" % (name, error)) from None
    return found if isinstance(found, type) else None


def _told_class(found):
    own = [name for name, value in vars(found).items() if callable(value) and not name.startswith("__")]
    ancestors = [_dotted(one) for one in found.__mro__]
    options = getattr(found, "CONFIG_KWARGS", None) or {}
    return {
        "class": _dotted(found),
        "ancestors": ancestors,
        "overrides": own,
        "options": {key: value if isinstance(value, (str, int, float, bool, type(None))) else str(value) for key, value in options.items()},
    }


# What a logger class of gunicorn's can be asked to do, and what in it is only a value.
LOGGER_METHODS = (
    "__init__", "setup", "critical", "error", "warning", "info", "debug", "exception", "log", "atoms", "access_log_enabled", "_compute_access_log_enabled",
    "access", "now", "reopen_files", "close_on_exec", "_get_gunicorn_handler", "_set_handler", "_set_syslog_handler", "_get_user", "atoms_wrapper_class",
)
LOGGER_FORMATS = ("error_fmt", "datefmt", "access_fmt", "syslog_fmt")


def _told_logger(found):
    """What it says by its attributes, and which methods it has made its own."""
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


# ---- The process that tells it


def _traceback(error):
    """The user's own, without frames of ours."""
    tb = error.__traceback__
    while tb is not None and (tb.tb_frame.f_code.co_filename.startswith("<rgun") or "importlib" in tb.tb_frame.f_code.co_filename):
        tb = tb.tb_next
    return "".join(traceback.format_exception(type(error), error, tb))


def _summary(error):
    return traceback.format_exception_only(type(error), error)[-1].strip()


def evaluate(request, output):
    try:
        answer = tell(request)
        text = json.dumps(answer)
    except Wrong as error:
        text = json.dumps({"error": str(error), "traceback": ""})
    except BaseException as error:  # also a SystemExit of the file's: the server decides when it ends
        text = json.dumps({"error": _summary(error), "traceback": _traceback(error)})
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass
    output.write(text.encode() + b"\n")
    output.flush()
    # Threads that the file has started hold up nobody.
    os._exit(0)


def main(question):
    """The answer goes to standard output; what the file prints, elsewhere. Calls of hooks come as lines on standard input."""
    os.set_blocking(0, True)
    os.set_blocking(1, True)
    messages = os.fdopen(os.dup(0), "rb")
    output = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    # Whoever prints wants it to be seen when it was printed.
    sys.stdout.reconfigure(line_buffering=True)
    request = json.loads(question)
    if "calls" in request:
        Side(request, messages, output).run()
    else:
        evaluate(request, output)


# ---- What hooks are given


class Config:
    """`server.cfg`, `worker.cfg`: the settings that hold, by gunicorn's names."""

    def __init__(self, values):
        self.settings = values
        self.__dict__.update(values)
        self.address = [_address(one) for one in values.get("bind") or []]
        self.worker_class_str = str(values.get("worker_class"))
        self.is_ssl = bool(values.get("certfile") or values.get("keyfile"))
        if not values.get("proc_name"):
            self.proc_name = values.get("wsgi_app")

    def __getattr__(self, name):
        raise AttributeError("no configuration setting for: %s" % name)

    def __contains__(self, name):
        return name in self.settings


class Log:
    """`server.log`, `worker.log`: lines of the server's own log. Beside it, gunicorn's two loggers."""

    def __init__(self, write):
        self._write = write
        self.error_log = logging.getLogger("gunicorn.error")
        self.access_log = logging.getLogger("gunicorn.access")

    def log(self, level, message, *arguments, **options):
        if not isinstance(level, str):
            level = "critical" if level >= 50 else "error" if level >= 40 else "warning" if level >= 30 else "info" if level >= 20 else "debug"
        text = str(message)
        if arguments:
            only = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], dict) and arguments[0] else arguments
            try:
                text = text % only
            except (TypeError, ValueError, KeyError):
                text = "%s %r" % (text, arguments)
        error = options.get("exc_info")
        trace = ""
        if error:
            if not isinstance(error, BaseException):
                error = sys.exc_info()[1]
            if error is not None:
                trace = _traceback(error)
        self._write(level.lower(), text, trace)

    def debug(self, message, *arguments, **options):
        self.log("debug", message, *arguments, **options)

    def info(self, message, *arguments, **options):
        self.log("info", message, *arguments, **options)

    def warning(self, message, *arguments, **options):
        self.log("warning", message, *arguments, **options)

    warn = warning

    def error(self, message, *arguments, **options):
        self.log("error", message, *arguments, **options)

    def critical(self, message, *arguments, **options):
        self.log("critical", message, *arguments, **options)

    def exception(self, message, *arguments, **options):
        self.log("error", message, *arguments, **dict({"exc_info": True}, **options))

    def isEnabledFor(self, level):  # noqa: N802
        return True

    def reopen_files(self):
        pass


def _lend(log):
    """`gunicorn.error` writes to it, as workers' does."""
    class Lines(logging.Handler):
        def emit(self, record):
            try:
                log.log(record.levelno, record.getMessage(), exc_info=record.exc_info and record.exc_info[1])
            except Exception:
                self.handleError(record)

    log.error_log.addHandler(Lines())
    log.error_log.setLevel(logging.INFO)
    log.error_log.propagate = log.access_log.propagate = False


def _address(bind):
    """`("127.0.0.1", 8000)`, or the path of a unix socket."""
    if bind.startswith("unix:"):
        return re.sub("^unix:(//)?", "", bind)
    host, _, port = bind[len("tcp://") if bind.startswith("tcp://") else 0:].rpartition(":")
    if not port.isdigit():
        return bind
    return (host.strip("[]") or "0.0.0.0", int(port))


class _Listener:
    """Of `server.LISTENERS`: what is said of it. The socket is the master's."""

    def __init__(self, address):
        self.cfg_addr = address

    def getsockname(self):
        return self.cfg_addr

    def __str__(self):
        return "unix:%s" % self.cfg_addr if isinstance(self.cfg_addr, str) else "http://%s:%d" % self.cfg_addr


class _Tmp:
    """`worker.tmp`: signs of life are elsewhere."""

    def notify(self):
        pass

    def last_update(self):
        return time.monotonic()

    def fileno(self):
        return -1

    def close(self):
        pass


class _App:
    """`server.app`, `worker.app`"""

    def __init__(self, cfg):
        self.cfg = cfg
        self.app_uri = getattr(cfg, "wsgi_app", None)
        # Only in a worker that has loaded it.
        self.callable = None

    def wsgi(self):
        return self.callable


class Worker:
    """What a hook is given of a worker."""

    def __init__(self, age, pid, server):
        self.age = age
        self.pid = pid
        self.ppid = server.pid
        self.cfg = server.cfg
        self.log = server.log
        self.tmp = _Tmp()
        # What a worker of gunicorn's sleeps at most.
        self.timeout = getattr(server.cfg, "timeout", 30) / 2
        self.max_requests = getattr(server.cfg, "max_requests", 0) or sys.maxsize
        self.sockets = list(server.LISTENERS)
        self.app = server.app
        self.wsgi = None
        self.nr = 0
        self.alive = True
        self.booted = False
        self.aborted = False

    def __str__(self):
        return "<Worker %s>" % self.pid

    def notify(self):
        pass


class Server:
    """What a hook is given of the master."""

    def __init__(self, cfg, log, pid, workers):
        self.cfg = cfg
        self.log = log
        self.pid = pid
        self.master_pid = 0
        self.master_name = "Master"
        self.proc_name = getattr(cfg, "proc_name", None)
        self.num_workers = workers
        self.worker_age = 0
        self.timeout = getattr(cfg, "timeout", 30)
        self.address = cfg.address
        self.app = _App(cfg)
        self.LISTENERS = []
        self.WORKERS = {}


def _hooks(names):
    return {name: hook for name in HOOKS if name in names for hook in [_hook(name, names[name])] if hook is not None}


# ---- The process beside the master


class Side:
    """Calls the master's hooks, one after the other, in the order in which the master tells of what happened."""

    def __init__(self, request, messages, output):
        self.messages, self.output = messages, output
        log = Log(lambda level, message, trace: self.say({"level": level, "message": message, "traceback": trace}))
        _lend(log)
        self.server = Server(Config(request["cfg"]), log, request["master"], request["num_workers"])
        self.hooks = {}
        if request["workers"]:
            self.server.LISTENERS = [_Listener(address) for address in self.server.address]
        self.take_workers(request["workers"])
        try:
            self.hooks = _hooks(load(request["location"], request["directory"])[0])
        except BaseException as error:
            log.log("error", "the configuration file failed in the process for its hooks: %s", _summary(error), exc_info=error)

    def say(self, message):
        self.output.write(json.dumps(message).encode() + b"\n")
        self.output.flush()

    def take_workers(self, workers):
        known = self.server.WORKERS
        self.server.WORKERS = {pid: known.get(pid) or Worker(age, pid, self.server) for age, pid in workers}
        self.server.worker_age = max([age for age, _ in workers], default=self.server.worker_age)

    def run(self):
        for line in self.messages:
            message = json.loads(line)
            try:
                getattr(self, message["call"])(message)
            except BaseException as error:
                self.server.log.log("error", "exception in the hook %s: %s", message["call"], _summary(error), exc_info=error)
            for stream in (sys.stdout, sys.stderr):
                try:
                    stream.flush()
                except Exception:
                    pass
            if "number" in message:
                self.say({"done": message["number"]})
        # The master is gone, or has nothing more to say. Threads of the file's hold up nobody.
        os._exit(0)

    def call(self, name, *arguments):
        hook = self.hooks.get(name)
        if hook is not None:
            hook(*arguments)

    def on_starting(self, message):
        self.call("on_starting", self.server)

    def when_ready(self, message):
        self.server.LISTENERS = [_Listener(address) for address in self.server.address]
        self.call("when_ready", self.server)

    def on_reload(self, message):
        self.call("on_reload", self.server)

    def on_exit(self, message):
        self.call("on_exit", self.server)

    def workers(self, message):
        self.take_workers(message["workers"])

    def pre_fork(self, message):
        self.server.worker_age = message["age"]
        self.call("pre_fork", self.server, Worker(message["age"], "[booting]", self.server))

    def forked(self, message):
        self.server.WORKERS[message["pid"]] = Worker(message["age"], message["pid"], self.server)

    def child_exit(self, message):
        worker = self.server.WORKERS.pop(message["pid"], None) or Worker(message["age"], message["pid"], self.server)
        self.call("child_exit", self.server, worker)

    def nworkers_changed(self, message):
        self.server.num_workers = message["new"]
        self.call("nworkers_changed", self.server, message["new"], message["old"])


# ---- In a worker




class InWorker:
    """The hooks of one worker, in the order of its life."""

    def __init__(self, location, directory, cfg, master, age, write, abort):
        log = Log(write)
        self._abort = abort
        self.server = Server(Config(json.loads(cfg)), log, master, json.loads(cfg).get("workers", 1))
        self.server.LISTENERS = [_Listener(address) for address in self.server.address]
        self.server.worker_age = age
        self.worker = Worker(age, os.getpid(), self.server)
        self.server.WORKERS = {self.worker.pid: self.worker}
        self.hooks = _hooks(load(location, directory)[0])

    def call(self, name):
        """An exception is the caller's."""
        if name in ("worker_int", "worker_exit"):
            self.worker.alive = False
        hook = self.hooks.get(name)
        if hook is not None:
            hook(*([self.server, self.worker] if HOOKS[name] == 2 else [self.worker]))
        if name == "post_worker_init":
            self.worker.booted = True

    def try_to_call(self, name):
        try:
            self.call(name)
        except BaseException as error:
            self.server.log.log("warning", "exception in the hook %s: %s", name, _summary(error), exc_info=error)

    def catch_abort(self):
        """What the master sends to a worker that hangs."""
        if "worker_abort" not in self.hooks:
            return
        def abort(number, frame):
            self.worker.alive = False
            self.try_to_call("worker_abort")
            self._abort()
            sys.exit(1)

        signal.signal(signal.SIGABRT, abort)

    def wrap(self, app, is_asgi):
        self.worker.app.callable = self.worker.wsgi = app
        pre, post = self.hooks.get("pre_request"), self.hooks.get("post_request")
        if pre is None and post is None:
            return app
        return _asgi(app, self.worker, pre, post) if is_asgi else _wsgi(app, self.worker, pre, post)


class Request:
    """`req` of the hooks of requests, from what the app gets."""

    def __init__(self, method, path, query, headers, version, scheme, peer, uri):
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.version = version
        self.scheme = scheme
        self.uri = uri
        self.unreader = None
        self.fragment = ""
        self.trailers = []
        self.peer_addr = peer
        self.remote_addr = peer
        self.req_number = 1
        self.proxy_protocol_info = None
        self.must_close = False

    def should_close(self):
        for name, value in self.headers:
            if name == "CONNECTION" and value.lower().strip() in ("close", "keep-alive"):
                return self.must_close or value.lower().strip() == "close"
        return self.must_close or self.version <= (1, 0)

    @property
    def raw_path(self):
        return self.uri.partition("?")[0].encode("latin-1", "replace")


class Response:
    """`resp` of post_request."""

    def __init__(self, req):
        self.req = req
        self.status = None
        self.status_code = None
        self.headers = []
        self.sent = 0
        self.headers_sent = False
        self.response_length = None
        self.version = "rgun"
        self.upgrade = False
        self.must_close = False

    @property
    def chunked(self):
        return self.is_chunked()

    def is_chunked(self):
        bodiless = self.req.method == "HEAD" or self.status_code in (204, 304)
        return self.headers_sent and self.response_length is None and self.req.version >= (1, 1) and not bodiless

    def should_close(self):
        return self.must_close or self.req.should_close()

    def take(self, status, headers):
        self.status = status
        self.headers = headers
        self.headers_sent = True
        for name, value in headers:
            if name.lower() == "content-length" and value.isdigit():
                self.response_length = int(value)


def _version(text):
    major, _, minor = text.rpartition("/")[2].partition(".")
    return (int(major or 1), int(minor or 0))


def _wsgi(app, worker, pre, post):
    def hooked(environ, start_response):
        names = [(name[5:].replace("_", "-"), value) for name, value in environ.items() if name.startswith("HTTP_")]
        names += [(name.replace("_", "-"), environ[name]) for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)]
        path, query = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")
        req = Request(
            environ["REQUEST_METHOD"], path, query, names, _version(environ.get("SERVER_PROTOCOL", "HTTP/1.1")), environ["wsgi.url_scheme"],
            (environ.get("REMOTE_ADDR", ""), int(environ.get("REMOTE_PORT") or 0)), environ.get("RAW_URI") or (path + ("?" + query if query else "")),
        )
        req.body = environ["wsgi.input"]
        if pre is not None:
            pre(worker, req)
        worker.nr += 1
        if post is None:
            return app(environ, start_response)
        resp = Response(req)

        def start(status, headers, *error):
            resp.take(status, headers)
            resp.status_code = int(status.split(" ", 1)[0])
            write = start_response(status, headers, *error)

            def counting(block):
                resp.sent += len(block)
                return write(block)

            return counting

        done = _Done(worker, post, req, environ, resp)
        try:
            iterable = app(environ, start)
        except BaseException:
            done()
            raise
        return _Blocks(iterable, resp, done)

    return hooked


class _Done:
    """Calls post_request once; what it raises is logged."""

    def __init__(self, worker, post, *arguments):
        self.worker, self.post, self.arguments = worker, post, arguments

    def __call__(self):
        post, self.post = self.post, None
        if post is None:
            return
        try:
            post(self.worker, *self.arguments)
        except Exception:
            self.worker.log.exception("Exception in post_request hook")


class _Blocks:
    def __init__(self, iterable, resp, done):
        self.iterable, self.resp, self.done = iterable, resp, done

    def __iter__(self):
        for block in self.iterable:
            self.resp.sent += len(block)
            yield block

    def close(self):
        try:
            if hasattr(self.iterable, "close"):
                self.iterable.close()
        finally:
            self.done()


def _asgi(app, worker, pre, post):
    async def hooked(scope, receive, send):
        if scope["type"] != "http":
            return await app(scope, receive, send)
        headers = [(name.decode("latin-1").upper(), value.decode("latin-1")) for name, value in scope["headers"]]
        query = scope["query_string"].decode("latin-1")
        raw = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        peer = tuple(scope["client"]) if scope.get("client") else ("", 0)
        req = Request(
            scope["method"], scope["path"], query, headers, _version(scope["http_version"]), scope["scheme"], peer, raw + ("?" + query if query else ""),
        )
        if pre is not None:
            pre(worker, req)
        worker.nr += 1
        if post is None:
            return await app(scope, receive, send)
        resp = Response(req)

        async def counting(message):
            if message["type"] == "http.response.start":
                status = message["status"]
                resp.status_code = status
                resp.take("%d %s" % (status, REASONS.get(status, "")), [(n.decode("latin-1"), v.decode("latin-1")) for n, v in message.get("headers", ())])
            elif message["type"] == "http.response.body":
                resp.sent += len(message.get("body", b""))
            return await send(message)

        environ = {"REQUEST_METHOD": req.method, "PATH_INFO": req.path, "QUERY_STRING": query, "RAW_URI": req.uri, "REMOTE_ADDR": peer[0]}
        environ.update(("HTTP_" + name.replace("-", "_"), value) for name, value in headers)
        done = _Done(worker, post, req, environ, resp)
        try:
            return await app(scope, receive, counting)
        finally:
            done()

    return hooked

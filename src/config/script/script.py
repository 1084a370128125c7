"""A configuration file of gunicorn's: run, told as plain data, and its hooks called. It serves nothing.

Runs in three places: in a process that ends when it has told the settings, in one that stays for the master's hooks, and
in a worker that has hooks. Each of them loads the file for itself.
"""

import ast
import importlib
import importlib.machinery
import importlib.util
import inspect
import json
import os
import sys
import traceback
import types

# With the number of arguments that each is called with.
HOOKS = {
    "on_starting": 1, "on_reload": 1, "when_ready": 1, "pre_fork": 2, "post_fork": 2, "post_worker_init": 1, "worker_int": 1, "worker_abort": 1,
    "pre_exec": 1, "pre_request": 2, "post_request": 4, "child_exit": 2, "worker_exit": 2, "nworkers_changed": 3, "on_exit": 1,
}


class Wrong(Exception):
    """A value that cannot be one of that setting."""


# ---- The file


def load(location):
    """The names of `file:PATH` or `python:MODULE`, and which of them the file itself reads."""
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
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
    """What files import of gunicorn (and uvicorn's worker does), where it is not installed: only while the file is loaded."""

    def __enter__(self):
        self.added = []
        if importlib.util.find_spec("gunicorn") is not None:
            return
        worker = type("Worker", (), {})
        logger = type("Logger", (), {})
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
        for name, names in {
            "gunicorn": {"SERVER": "gunicorn", "SERVER_SOFTWARE": "gunicorn", "__version__": "27.0.1", "version_info": (27, 0, 1)},
            "gunicorn.arbiter": {"Arbiter": type("Arbiter", (), {"WORKER_BOOT_ERROR": 3, "APP_LOAD_ERROR": 4})},
            "gunicorn.glogging": {"Logger": logger, "CONFIG_DEFAULTS": defaults},
            "gunicorn.workers": {},
            "gunicorn.workers.base": {"Worker": worker},
            "gunicorn.workers.sync": {"SyncWorker": type("SyncWorker", (worker,), {"__module__": "gunicorn.workers.sync"})},
            "gunicorn.workers.gthread": {"ThreadWorker": type("ThreadWorker", (worker,), {"__module__": "gunicorn.workers.gthread"})},
        }.items():
            module = types.ModuleType(name)
            vars(module).update(names, __path__=[])
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
        if name in HOOKS:
            if _hook(name, value) is not None:
                hooks.append(name)
        elif name in known:
            settings[name] = _plain(name, value)
        elif read is not None and name not in read and _looks_like_a_setting(name, value, known):
            unknown.append(name)
    chosen = request.get("worker_class")
    if chosen is None and isinstance(settings.get("worker_class"), str):
        chosen = settings["worker_class"]
    if chosen is not None and chosen not in request["worker_classes"]:
        with _StandIns():
            found = _class_named(chosen)
        if found is not None:
            settings["worker_class"] = _told_class(found)
    after = dict(os.environ)
    return {
        "settings": settings,
        "unknown": unknown,
        "hooks": hooks,
        "environment": {name: value for name, value in after.items() if environment.get(name) != value},
        "removed": [name for name in environment if name not in after],
        "path": [entry for entry in sys.path if isinstance(entry, str) and entry not in path and entry != os.getcwd()],
    }


def _looks_like_a_setting(name, value, known):
    if name.startswith("_") or name.isupper() or isinstance(value, (type, types.ModuleType)):
        return False
    if callable(value):
        from difflib import get_close_matches

        return bool(get_close_matches(name, [*HOOKS, *known], 1, 0.8))
    return isinstance(value, (str, bytes, int, float, list, tuple, dict, set, type(None)))


def _hook(name, value):
    """The callable, or None for one that does nothing; gunicorn's rules for the number of arguments."""
    if value is None:
        return None
    if isinstance(value, str):
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
        if name == "logconfig_dict":
            return json.loads(json.dumps(value, default=_importable))
        return {str(key): str(part) for key, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [str(part) if not isinstance(part, (bytes, os.PathLike)) else os.fsdecode(part) for part in value]
    if callable(value):
        return {"callable": _dotted(value)}
    return str(value)


def _importable(value):
    """logging.config imports what is named."""
    if callable(value):
        return _dotted(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (set, frozenset)):
        return list(value)
    raise Wrong("logconfig_dict contains %r, which cannot be handed to the workers; name it by its module" % (value,))


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


def main():
    """The request is the first line on standard input, the answer goes to standard output; what the file prints, elsewhere."""
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
    request = json.loads(messages.readline())
    evaluate(request, output)

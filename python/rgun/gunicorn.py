"""gunicorn's application classes, for programs that start gunicorn by themselves: with this module they start rgun.

``import rgun.gunicorn``, before gunicorn is imported, is the only line that such a program needs. ``BaseApplication``, ``Application`` and
``WSGIApplication`` are then the classes below under gunicorn's names, whether gunicorn is installed or not.

The server is a fresh interpreter, as with ``rgun.run``. It runs the program again up to its ``run()``: once in a process that reads the
settings, and once in each process that workers are forked from.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import types
from typing import Any

__all__ = ["Application", "BaseApplication", "Config", "WSGIApplication"]

# How the server finds the program, as JSON.
VARIABLE = "__RGUN_APPLICATION"
# Where the server reads the settings.
PLACE = "rgun.custom_application"


class ConfigError(Exception):
    """A wrong setting."""


class Setting:
    """``cfg.settings[name]``"""

    def __init__(self, cfg: Config, name: str, default: Any) -> None:
        self._cfg, self.name, self.default = cfg, name, default

    @property
    def value(self) -> Any:
        return self._cfg.given.get(self.name, self.default)

    def get(self) -> Any:
        return self.value

    def set(self, value: Any) -> None:
        # The server checks it.
        if isinstance(value, str) and isinstance(self.default, int) and value.strip().isdigit():
            value = int(value)
        self._cfg.given[self.name] = value


class Config:
    """``self.cfg``: gunicorn's settings and rgun's. ``given``: those that were set."""

    def __init__(self, usage: str | None = None, prog: str | None = None) -> None:
        from rgun import _rgun

        self.given: dict[str, Any] = {}
        self.settings = {name: Setting(self, name, _value(default)) for name, default in _rgun.known_settings()}
        self.usage = usage
        self.prog = prog or os.path.basename(sys.argv[0])

    def __getattr__(self, name: str) -> Any:
        settings = self.__dict__.get("settings", {})
        if name not in settings:
            raise AttributeError("No configuration setting for: %s" % name)
        return settings[name].get()

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("settings", {}):
            raise AttributeError("Invalid access!")
        super().__setattr__(name, value)

    def set(self, name: str, value: Any) -> None:
        if name not in self.settings:
            raise AttributeError("No configuration setting for: %s" % name)
        self.settings[name].set(value)

    def get_cmd_args_from_env(self) -> list[str]:
        import shlex

        return shlex.split(os.environ.get("GUNICORN_CMD_ARGS", ""))

    def parser(self) -> Any:
        import argparse

        from rgun import _rgun

        parser = argparse.ArgumentParser(prog=self.prog, usage=self.usage, allow_abbrev=False)
        parser.add_argument("args", nargs="*", help=argparse.SUPPRESS)
        parser.add_argument("-v", "--version", action="version", version="rgun %s" % _rgun.__version__)
        for name, option, short, repeated, shape, text in _rgun.settings():
            if option is None:
                continue
            flags = ["-" + short] if short and short not in "hv" else []
            flags += sorted({"--" + option, "--" + name.replace("_", "-")})
            kind: dict[str, Any] = {"action": "append"} if repeated else {}
            if shape == "switch":
                kind = {"action": "store_const", "const": True}
            parser.add_argument(*flags, dest=name, default=None, help=text.replace("%", "%%"), **kind)
        return parser


def _value(default: str | None) -> Any:
    return int(default) if default is not None and default.isdigit() else default


class BaseApplication:
    """Subclasses have ``load_config``, which sets ``self.cfg``, and ``load``, which returns the app."""

    def __init__(self, usage: str | None = None, prog: str | None = None) -> None:
        self.usage, self.prog = usage, prog
        self.cfg: Any = None
        self.callable: Any = None
        self.logger: Any = None
        self.do_load_config()

    def do_load_config(self) -> None:
        if _again.runs:
            # The server reports it.
            self._load_all_config()
            return
        try:
            self._load_all_config()
        except Exception as error:
            _fail(error)

    def _load_all_config(self) -> None:
        self.load_default_config()
        self.load_config()

    def load_default_config(self) -> None:
        self.cfg = Config(self.usage, prog=self.prog)

    def init(self, parser: Any, opts: Any, args: list[str]) -> Any:
        raise NotImplementedError

    def load(self) -> Any:
        raise NotImplementedError

    def load_config(self) -> None:
        raise NotImplementedError

    def reload(self) -> None:
        self.do_load_config()

    def wsgi(self) -> Any:
        if self.callable is None:
            self.callable = self.load()
        return self.callable

    def run(self) -> None:
        if _again.runs:
            raise _Ran(self)
        try:
            code = _serve(self)
        except (RuntimeError, TypeError) as error:
            _fail(error)
        sys.exit(code)


class Application(BaseApplication):
    """Takes options, ``GUNICORN_CMD_ARGS`` and a configuration file as gunicorn does. Subclasses have ``init`` and ``load``."""

    def chdir(self) -> None:
        directory = self.cfg.chdir or os.getcwd()
        os.chdir(directory)
        if directory not in sys.path:
            sys.path.insert(0, directory)

    def load_config(self) -> None:
        parser = self.cfg.parser()
        args = parser.parse_args()
        given = self.init(parser, args, args.args)
        self.chdir()
        for name, value in (given or {}).items():
            self.cfg.set(name.lower(), value)
        variable = parser.parse_args(self.cfg.get_cmd_args_from_env())
        file = args.config or variable.config or ("gunicorn.conf.py" if os.path.exists("gunicorn.conf.py") else None)
        if file is not None:
            self.load_config_from_file(file)
        for options in (variable, args):
            for name, value in vars(options).items():
                if value is not None and name != "args":
                    self.cfg.set(name.lower(), value)
        self.chdir()

    def load_config_from_file(self, filename: str) -> dict[str, Any]:
        return self.load_config_from_module_name_or_filename(filename)

    def load_config_from_module_name_or_filename(self, location: str) -> dict[str, Any]:
        if location.startswith("python:"):
            names = vars(importlib.import_module(location[len("python:"):]))
        else:
            names = self.get_config_from_filename(location[len("file:") if location.startswith("file:") else 0:])
        for name, value in names.items():
            if name in self.cfg.settings:
                self.cfg.set(name.lower(), value)
        return names

    def get_config_from_filename(self, filename: str) -> dict[str, Any]:
        from importlib.machinery import SourceFileLoader

        if not os.path.exists(filename):
            raise RuntimeError("%r doesn't exist" % filename)
        spec = importlib.util.spec_from_file_location("__config__", filename, loader=SourceFileLoader("__config__", filename))
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["__config__"] = module
        spec.loader.exec_module(module)
        return vars(module)


class WSGIApplication(Application):
    """gunicorn's own: the app is the first argument, or the setting ``wsgi_app``."""

    app_uri: str | None = None

    def init(self, parser: Any, opts: Any, args: list[str]) -> Any:
        self.app_uri = args[0] if args else None

    def load_config(self) -> None:
        super().load_config()
        if self.app_uri is None:
            self.app_uri = self.cfg.wsgi_app
        if self.app_uri is None:
            raise ConfigError("No application module specified.")

    def load(self) -> Any:
        module, _, attribute = (self.app_uri or "").partition(":")
        found = importlib.import_module(module)
        for name in (attribute or "application").split("."):
            found = getattr(found, name)
        return found


def run(prog: str | None = None) -> None:
    """gunicorn's own console script."""
    WSGIApplication("%(prog)s [OPTIONS] [APP_MODULE]", prog=prog).run()


def _fail(error: Exception) -> Any:
    print("\nError: %s" % error, file=sys.stderr, flush=True)
    sys.exit(1)


# ---- The program and the server


class _Ran(BaseException):
    """The program has come to ``run()``."""

    def __init__(self, application: BaseApplication) -> None:
        super().__init__()
        self.application = application


class _Again:
    """Whether this process runs the program again, for the server."""

    runs = False
    # Where the server is in the program's own process.
    application: BaseApplication | None = None


_again = _Again()


def _serve(application: BaseApplication) -> int:
    from rgun import compat
    from rgun.__main__ import PATH_VARIABLE, _path

    if compat._is_worker():
        raise RuntimeError("this module is imported by a worker of rgun's: call run() below `if __name__ == \"__main__\":`")
    plain = isinstance(application, WSGIApplication) and type(application).load is WSGIApplication.load
    words = [application.app_uri if plain else PLACE + ":application", "--config=python:" + PLACE]  # type: ignore[attr-defined]
    words += ["--" + name.replace("_", "-") for name in ("check_config", "print_config") if application.cfg.given.get(name)]
    variables = {VARIABLE: json.dumps(_program())}
    reason = compat._reason_to_stay(None)
    if reason is not None:
        os.environ.update(variables)
        _again.application = application
        return compat._serve_until_exit(words, reason, None)
    command, environment = compat._program(words, variables)
    environment[PATH_VARIABLE] = _path(sys.argv[0])
    # `Application` has read it; other programs do not obey it, as with gunicorn.
    environment.pop("GUNICORN_CMD_ARGS", None)
    if not compat._is_alone():
        return compat._wait_for(command, environment)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os.execve(command[0], command, environment)


def _program() -> dict[str, Any]:
    from rgun.__main__ import _is_started_directly

    main = sys.modules["__main__"]
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if not _is_started_directly() and os.path.isfile(sys.argv[0]):
        # The main module is a debugger or profiler.
        spec, file = None, sys.argv[0]
    if spec is None and file is None:
        raise RuntimeError("the program is in no file that the server could run again: use rgun.run")
    return {"module": spec.name if spec is not None else None, "file": file and os.path.abspath(file), "argv": sys.argv}


def run_again() -> BaseApplication:
    """Runs the program up to its ``run()``, as the main module of this process."""
    if _again.application is not None:
        return _again.application
    program = json.loads(os.environ[VARIABLE])
    main = types.ModuleType("__main__")
    if program["module"] is not None:
        spec = importlib.util.find_spec(program["module"])
        if spec is None or spec.loader is None:
            raise ImportError("no module named %s" % program["module"])
        code = spec.loader.get_code(spec.name)  # type: ignore[attr-defined]
        vars(main).update(__spec__=spec, __package__=spec.parent, __file__=spec.origin, __loader__=spec.loader)
    else:
        directory = os.path.dirname(os.path.realpath(program["file"]))
        if directory not in sys.path:
            sys.path.insert(0, directory)
        with open(program["file"], "rb") as file:
            code = compile(file.read(), program["file"], "exec")
        vars(main).update(__file__=program["file"])
    sys.argv[:] = program["argv"]
    sys.modules["__main__"] = main
    _again.runs = True
    try:
        exec(code, vars(main))
    except _Ran as ran:
        return ran.application
    finally:
        _again.runs = False
    raise RuntimeError("%s has ended without a call of run()" % (program["module"] or program["file"]))


# ---- gunicorn's names


def _take_names() -> None:
    """gunicorn's modules have these classes, from here on."""
    try:
        import gunicorn.app.base
        import gunicorn.app.wsgiapp  # noqa: F401
    except ImportError:
        logger = type("Logger", (), {
            "__module__": "gunicorn.glogging", "error_fmt": r"%(asctime)s [%(process)d] [%(levelname)s] %(message)s", "datefmt": r"[%Y-%m-%d %H:%M:%S %z]",
            "access_fmt": "%(message)s", "syslog_fmt": "[%(process)d] %(message)s",
        })
        for name, names in {
            "gunicorn": {"__version__": "27.0.1", "SERVER_SOFTWARE": "gunicorn"}, "gunicorn.app": {}, "gunicorn.app.base": {}, "gunicorn.app.wsgiapp": {},
            "gunicorn.config": {"Config": Config, "Setting": Setting}, "gunicorn.errors": {"ConfigError": ConfigError},
            "gunicorn.glogging": {"Logger": logger},
        }.items():
            if name not in sys.modules:
                module = types.ModuleType(name)
                vars(module).update(names, __path__=[], __file__="rgun's stand-in: gunicorn is not installed")
                sys.modules[name] = module
                parent, _, last = name.rpartition(".")
                if parent:
                    setattr(sys.modules[parent], last, module)
    for name, names in {
        "gunicorn.app.base": {"BaseApplication": BaseApplication, "Application": Application},
        "gunicorn.app.wsgiapp": {"WSGIApplication": WSGIApplication, "run": run},
    }.items():
        vars(sys.modules[name]).update(names)


_take_names()

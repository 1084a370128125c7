"""Starting the server from Python: ``from rgun import run; run("app:app", bind="0.0.0.0:8000", workers=4)``.

The server runs in a fresh interpreter (except in-process): it forks, and what this process has imported, opened and started must
not be in it. This module imports nothing of the app.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from rgun._settings import Settings

    Word = str | os.PathLike[str]

__all__ = ["arguments", "run"]

# The signals that the server handles, which a waiting parent passes on.
_SIGNALS = ("SIGHUP", "SIGINT", "SIGTERM", "SIGQUIT", "SIGTTIN", "SIGTTOU", "SIGUSR1", "SIGUSR2", "SIGWINCH")


def run(app: str | Callable[..., Any] | None = None, *options: Word, **settings: Unpack[Settings]) -> int:
    """Serve ``app`` ("module:attribute") until the server is stopped.

    Settings go by their names in a configuration file (``bind``, ``workers``, ``worker_class``, ``reload``, ...), or as
    further arguments as they would stand on the command line.

    In a script, this process *becomes* the server, as with ``exec``: it keeps its pid and gets the signals, its exit code is the
    server's, and nothing after the call is run. Where that would tear something down (there are other threads, an event loop
    runs, the interpreter is interactive) the server is a child; the call waits for it, passes signals on, and returns its exit
    code.

    With ``in_process=True`` it serves right here, with one worker and without a fork, and ``app`` may be the app itself; the
    call returns the exit code when a signal has ended the server. It does so by itself where a debugger, tracer or profiler has
    started the program.
    """
    if _is_worker():
        raise RuntimeError("this module is imported by a worker of rgun's: call run() below `if __name__ == \"__main__\":`")
    given: dict[str, Any] = dict(settings)
    reason = _reason_to_stay(given.pop("in_process", None))
    if reason is not None:
        return _serve_here(reason, app, options, given)
    words, variables = _command_line(app, options, given)
    command, environment = _program(words, variables)
    if _is_alone():
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os.execve(command[0], command, environment)
    return _wait_for(command, environment)


def _reason_to_stay(wish: bool | None) -> str | None:
    from rgun.__main__ import watcher_of_this_process

    if wish is None:
        return watcher_of_this_process()
    return "run(in_process=True)" if wish else None


def _serve_here(reason: str, app: str | Callable[..., Any] | None, options: Sequence[Word], settings: dict[str, Any]) -> int:
    """In this process and thread, until a signal or the end of the app's loop; the exit code."""
    there: Callable[..., Any] | None = None
    if app is not None and not isinstance(app, str):
        if not callable(app):
            raise TypeError("%r is no app" % (app,))
        # A name for logs only: it is not imported.
        there, app = app, "%s:app" % (getattr(app, "__module__", None) or type(app).__module__)
    words, variables = _command_line(app, options, settings)
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        return _serve_until_exit(words, reason, there)
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _serve_until_exit(words: list[str], reason: str, app: Callable[..., Any] | None) -> int:
    """In a thread other than the main one, the server ends before the interpreter does: an exit waits for no daemon thread, and
    a thread within the server cannot take the GIL of an interpreter that is gone.
    """
    import atexit
    import socket
    import threading

    from rgun import _rgun

    if threading.current_thread() is threading.main_thread():
        return _rgun.main(words, reason, app)
    process = os.getpid()
    ended = threading.Event()
    asking, asked = socket.socketpair()

    def end() -> None:
        # A child that the app has forked has no such thread.
        if os.getpid() != process:
            return
        try:
            # Unlike `close`, the other end also sees it when a forked child has a copy of this one.
            asking.shutdown(socket.SHUT_RDWR)
        except OSError:
            # The server has ended by itself.
            pass
        ended.wait()

    atexit.register(end)
    try:
        return _rgun.main(words, reason, app, asked.fileno())
    finally:
        ended.set()
        atexit.unregister(end)
        asking.close()
        asked.close()


def arguments(app: str | None = None, *options: Word, **settings: Unpack[Settings]) -> list[str]:
    """The command line that ``run`` would start ``rgun`` with, as a list of words."""
    return _command_line(app, options, dict(settings))[0]


def _command_line(app: object, options: Sequence[Word], settings: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    from rgun import _rgun

    if "wsgi_app" in settings:
        app = settings.pop("wsgi_app") if app is None else app
    if app is not None and not isinstance(app, str):
        raise TypeError("the workers import the app themselves: give its place, such as 'module:app', not %r" % (app,))
    known: dict[str, tuple[str, str | None, bool, str]] = {}
    for name, option, _, repeated, shape, _ in _rgun.settings():
        known[name] = (name, option, repeated, shape)
        # As in a TOML file, a setting goes by its option's name, too.
        if option is not None:
            known.setdefault(option.replace("-", "_"), known[name])
    words = [] if app is None else [_importable(app)]
    variables: dict[str, str] = {}
    for name, value in settings.items():
        if name not in known:
            raise TypeError("rgun has no setting %r%s" % (name, _nearest(name, known)))
        if callable(value):
            raise TypeError("%s: the workers cannot get a function from here; hooks stand in a configuration file (config=...)" % name)
        name, option, repeated, shape = known[name]
        if value is None:
            continue
        if option is not None and shape == "switch" and value is True:
            words.append("--" + option)
        elif shape == "switch" or option is None:
            # Cannot be given on the command line: a switch that is off, or a dictionary.
            variables["RGUN_" + name.upper()] = json.dumps(value) if isinstance(value, Mapping) else _text(name, value)
        else:
            for text in _values(name, value, repeated, shape):
                # With `=`: a value may begin with a dash.
                words.append("--%s=%s" % (option, text))
    if "pythonpath" not in settings:
        words += ["--pythonpath=" + place for place in _script_directory()]
    return words + [os.fspath(option) for option in options], variables


def _importable(app: str) -> str:
    """With the running script by the name that the workers import it by."""
    module, colon, attribute = app.partition(":")
    if module != "__main__":
        return app
    main = sys.modules["__main__"]
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None:
        return "%s%s%s" % (spec.name, colon, attribute)
    if file is None:
        raise TypeError("%r is in no file that the workers could import" % app)
    return "%s%s%s" % (os.path.splitext(os.path.basename(file))[0], colon, attribute)


def _values(name: str, value: Any, repeated: bool, shape: str) -> list[str]:
    if isinstance(value, Mapping):
        value = ["%s=%s" % pair for pair in value.items()]
    if isinstance(value, (list, tuple, set, frozenset)):
        texts = [_text(name, one) for one in value]
        if repeated:
            return texts
        if shape in ("list", "pairs"):
            return [",".join(texts)]
        raise _wrong(name, value)
    return [_text(name, value)]


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, os.PathLike):
        place: Word = value
        return os.fspath(place)
    if isinstance(value, (str, int, float)):
        return str(value)
    raise _wrong(name, value)


def _wrong(name: str, value: object) -> TypeError:
    return TypeError("%s: cannot be %r" % (name, value))


def _nearest(name: str, known: Mapping[str, object]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, 1)
    return "; did you mean %s?" % close[0] if close else ""


def _script_directory() -> list[str]:
    """The directory of the running script, so that the app can import what the script can."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if script is None or getattr(sys.modules["__main__"], "__spec__", None) is not None:
        return []
    directory = os.path.dirname(os.path.abspath(script))
    return [directory] if directory in sys.path and directory != os.getcwd() else []


def _program(words: list[str], variables: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    from rgun.__main__ import command

    program, environment = command("rgun", words)
    environment.update(variables)
    return program, environment


def _is_worker() -> bool:
    """Whether a server runs this code already, by the process's name; processes that the app starts have other names."""
    try:
        with open("/proc/self/comm") as name:
            return name.read().startswith("rgun: worker")
    except OSError:
        return False


def _is_alone() -> bool:
    """Whether this process has nothing to lose but what comes after the call."""
    import threading

    interactive = hasattr(sys, "ps1") or sys.flags.interactive or "ipykernel" in sys.modules
    return not interactive and threading.active_count() == 1 and not _loop_runs()


def _loop_runs() -> bool:
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _wait_for(command: list[str], environment: dict[str, str]) -> int:
    child = subprocess.Popen(command, env=environment, preexec_fn=_end_with_this_process())

    def pass_on(number: int, frame: FrameType | None) -> None:
        # A terminal sends its signals to both; the second one has no further effect.
        child.send_signal(number)

    before: dict[int, Any] = {}
    try:
        for name in _SIGNALS:
            try:
                number = getattr(signal, name)
                before[number] = signal.signal(number, pass_on)
            except ValueError:
                # Not the main thread: the main thread keeps its handlers.
                break
        code = child.wait()
    except BaseException:
        child.terminate()
        child.wait()
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
    return 128 - code if code < 0 else code


def _end_with_this_process() -> Callable[[], None] | None:
    """For the child, between fork and exec: a server must not outlive the notebook that started it."""
    import ctypes

    try:
        prctl = ctypes.CDLL(None).prctl
    except (AttributeError, OSError):
        return None
    death_signal = 1  # PR_SET_PDEATHSIG

    def arrange() -> None:
        prctl(death_signal, int(signal.SIGTERM), 0, 0, 0)

    return arrange

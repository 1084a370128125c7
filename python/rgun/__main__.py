"""The console script: starts the program again in an interpreter that has not run any third-party code yet.

The master forks, so it must have one thread and no third-party code in it. By the time a console script runs, ``site`` has
already run: `.pth` files, ``sitecustomize`` and with it the agents of ``ddtrace-run`` or ``opentelemetry-instrument``.
So this process replaces itself, once, by the same interpreter without ``site`` (``-S``), running ``_hosted.py``;
each worker runs ``site`` after its fork (``_site.py``). Where a debugger, tracer or profiler has started this module in its
own process, it would see nothing of that program: the server then runs right here (``--in-process``).
"""

from __future__ import annotations

import os
import sys
from typing import Any

# Carries the name the program was started by over the exec; taken out of the environment again by `_hosted.py`.
SCRIPT_VARIABLE = "__RGUN_SCRIPT"
# Carries `sys.path` over the exec, an entry a line: a launcher (buildout, PEX) may have set it before it called `main`.
PATH_VARIABLE = "__RGUN_PATH"
IN_PROCESS = "--in-process"


def main() -> None:
    arguments = sys.argv[1:]
    reason = IN_PROCESS if IN_PROCESS in arguments else watcher_of_this_process()
    if reason is not None and arguments[:1] != ["ctl"]:
        from rgun import _rgun

        sys.exit(_rgun.main(arguments, reason))
    words, environment = command(sys.argv[0], arguments)
    environment[PATH_VARIABLE] = _path(sys.argv[0])
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os.execve(words[0], words, environment)


def command(script: str, arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    """The program that this one becomes: its words and its environment. `script`: what it is called."""
    if not sys.executable:
        sys.exit("rgun: error: this interpreter does not know its own path (sys.executable is empty)")
    words = [sys.executable, *_interpreter_flags(), "-S", _hosted(), *arguments]
    environment = dict(os.environ, **{SCRIPT_VARIABLE: script})
    _restore_pythonpath(environment)
    return words, environment


def watcher_of_this_process() -> str | None:
    """What watches this interpreter (a debugger, tracer or profiler); None: nothing, or nothing that started it for that.

    One that every interpreter of the environment starts with, by a `.pth` file or sitecustomize, is in the workers as well, and no
    reason to serve without them.
    """
    found = _active_tool()
    return found if found is not None and not _is_started_directly() else None


def _active_tool() -> str | None:
    pydevd = sys.modules.get("pydevd")
    try:
        if pydevd is not None and pydevd.get_global_debugger() is not None:
            return "a debugger is active (pydevd)"
    except AttributeError:
        pass
    if sys.gettrace() is not None:
        return "a debugger or tracer is active (%s)" % _name_of(sys.gettrace())
    if sys.getprofile() is not None:
        return "a profiler is active (%s)" % _name_of(sys.getprofile())
    monitoring: Any = getattr(sys, "monitoring", None)
    for number in range(6 if monitoring else 0):
        if monitoring.get_tool(number):
            return "a debugger, tracer or profiler is active (%s)" % monitoring.get_tool(number)
    return None


def _name_of(tool: object) -> str:
    module = str(getattr(tool, "__module__", None) or type(tool).__module__).split(".")[0]
    # `python -m cProfile` is itself called so.
    return type(tool).__name__ if module == "__main__" else module


def _is_started_directly() -> bool:
    """Whether the interpreter was started with this program itself: a tool that runs it sets ``sys.argv`` for it."""
    words = getattr(sys, "orig_argv", None) or _command_line()
    index = 1
    while index < len(words) and words[index].startswith("-") and words[index] != "-":
        word = words[index]
        for place, flag in enumerate(word[1:] if not word.startswith("--") else "", 1):
            if flag == "c":
                return sys.argv[0] == "-c"
            if flag == "m":
                return _runs_module(word[place + 1:] or "".join(words[index + 1:index + 2]))
            if flag in "XW":
                # Its value is the rest of the word, or the next one.
                index += not word[place + 1:]
                break
        index += 1 + (word == "--check-hash-based-pycs")
    return index >= len(words) or os.path.realpath(words[index]) == os.path.realpath(sys.argv[0])


def _runs_module(name: str) -> bool:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is None or spec.name not in (name, name + ".__main__"):
        return False
    return spec.origin is not None and os.path.realpath(spec.origin) == os.path.realpath(sys.argv[0])


def _command_line() -> list[str]:
    # Python 3.9 has no sys.orig_argv.
    try:
        with open("/proc/self/cmdline", "rb") as words:
            return [os.fsdecode(word) for word in words.read().split(b"\0")[:-1]]
    except OSError:
        return []


def _path(script: str) -> str:
    # Python itself has put the script's directory first, or the working directory.
    own = {"", os.getcwd() if _has_directory() else "", os.path.dirname(os.path.abspath(script)) if _has_directory() else ""}
    return "\n".join(entry for entry in sys.path if isinstance(entry, str) and entry not in own)


def _has_directory() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


def _hosted() -> str:
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "_hosted.py")


def _interpreter_flags() -> list[str]:
    # Private, but what multiprocessing uses for the same purpose, since Python 3.2. From Python's own directory: the
    # project's may be on the path already, and have a file of that name.
    library = os.path.dirname(os.__file__)
    path, sys.path = sys.path, [library, os.path.join(library, "lib-dynload")]
    try:
        import subprocess
    finally:
        sys.path = path

    found: list[str] = getattr(subprocess, "_args_from_interpreter_flags")()
    flags = [flag for flag in found if flag != "-S"]
    # `-u` is not in sys.flags; this is what it leaves behind.
    if getattr(sys.stdout, "write_through", False) and not os.environ.get("PYTHONUNBUFFERED"):
        flags.append("-u")
    return flags


def _restore_pythonpath(environment: dict[str, str]) -> None:
    # An agent's sitecustomize may have removed itself from PYTHONPATH, so that children are not instrumented
    # (opentelemetry-instrument does). Its effects on this process are lost: the workers must run it again.
    try:
        with open("/proc/self/environ", "rb") as block:
            entries = block.read().split(b"\0")
    except OSError:
        return
    for entry in entries:
        name, separator, value = entry.partition(b"=")
        if separator and name == b"PYTHONPATH":
            environment["PYTHONPATH"] = os.fsdecode(value)


if __name__ == "__main__":
    main()

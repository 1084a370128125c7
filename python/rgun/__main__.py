"""The console script: starts the program again in an interpreter that has not run any foreign code yet.

The master forks, so it must have one thread and no foreign code in it. By the time a console script runs, ``site`` has
already run: `.pth` files, ``sitecustomize`` and with it the agents of ``ddtrace-run`` or ``opentelemetry-instrument``.
So this process replaces itself, once, by the same interpreter without ``site`` (``-S``), running ``_hosted.py``;
each worker runs ``site`` after its fork (``_site.py``).
"""

from __future__ import annotations

import os
import sys

# Carries the name the program was started by over the exec; taken out of the environment again by `_hosted.py`.
SCRIPT_VARIABLE = "__RGUN_SCRIPT"
# Carries `sys.path` over the exec, as JSON: a launcher (buildout, PEX) may have set it before it called `main`.
PATH_VARIABLE = "__RGUN_PATH"


def main() -> None:
    words, environment = command(sys.argv[0], sys.argv[1:])
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


def _path(script: str) -> str:
    import json

    # Python itself has put the script's directory first, or the working directory.
    own = {"", os.getcwd() if _has_directory() else "", os.path.dirname(os.path.abspath(script)) if _has_directory() else ""}
    return json.dumps([entry for entry in sys.path if isinstance(entry, str) and entry not in own])


def _has_directory() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


def _hosted() -> str:
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "_hosted.py")


def _interpreter_flags() -> list[str]:
    # Private, but what multiprocessing uses for the same purpose, since Python 3.2.
    import subprocess

    found: list[str] = getattr(subprocess, "_args_from_interpreter_flags")()
    flags = [flag for flag in found if flag != "-S"]
    # `-u` is not in sys.flags; this is what it leaves behind.
    if getattr(sys.stdout, "write_through", False) and not os.environ.get("PYTHONUNBUFFERED"):
        flags.append("-u")
    return flags


def _restore_pythonpath(environment: dict[str, str]) -> None:
    # An agent's sitecustomize may have removed itself from PYTHONPATH, so that children are not instrumented
    # (opentelemetry-instrument does). It ran in this process for nothing: the workers must meet it again.
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

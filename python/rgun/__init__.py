"""rgun: a pre-fork process manager and ASGI/WSGI server.

On the command line:

    rgun config.asgi:application -b 0.0.0.0:8000 -w 4

From Python, with settings by the names that they have in a configuration file:

    import rgun

    if __name__ == "__main__":
        rgun.run("config.asgi:application", bind="0.0.0.0:8000", workers=4)

`rgun --help` and docs/settings.md list the settings. In a debugger or a test, `rgun.run(app, in_process=True)` serves an app
object in the calling process. ``ClientDisconnected`` is what an ASGI app's ``send()`` raises once the client has left.
"""

# Everything is loaded lazily: every worker imports this package, and the master does too.
from __future__ import annotations

import sys

__all__ = ["ClientDisconnected", "__version__", "is_leader", "run"]


def is_leader() -> bool:
    """Whether this process is the one worker that does what is to be done once. It changes when a worker ends: ask each time."""
    ask = getattr(sys, "_rgun_is_leader", None)
    return ask is not None and ask()


def __getattr__(name: str):
    if name in ("ClientDisconnected", "__version__"):
        from rgun import _rgun

        return getattr(_rgun, name)
    if name == "run":
        from rgun.compat import run

        return run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})

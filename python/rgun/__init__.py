"""rgun: a pre-fork process manager and ASGI/WSGI server.

Nothing is loaded before it is asked for: every worker imports this package, and the master does too.
"""

from __future__ import annotations

__all__ = ["ClientDisconnected", "__version__", "run"]


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

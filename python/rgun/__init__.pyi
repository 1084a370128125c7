from collections.abc import Callable
from os import PathLike
from typing import Any

from typing_extensions import Unpack

from rgun._settings import Settings

__all__ = ["ClientDisconnected", "__version__", "is_leader", "run"]

__version__: str

class ClientDisconnected(ConnectionAbortedError):
    """Raised by ``send()``, and by ``wsgi.input``, when the client has left or its body is malformed."""

def is_leader() -> bool:
    """Whether this process is the one worker that does what is to be done once. It changes when a worker ends: ask each time."""

def run(app: str | Callable[..., Any] | None = None, *options: str | PathLike[str], **settings: Unpack[Settings]) -> int:
    """Serve ``app``: ``rgun.run("config.asgi:application", bind=":8000", workers=4)``.

    Settings go by their names in a configuration file. In a script this process becomes the server and the call never returns;
    beside other threads, within an event loop or at a prompt the server is a child, and the call returns its exit code.
    With ``in_process=True`` it serves right here, and ``app`` may be the app itself.
    """

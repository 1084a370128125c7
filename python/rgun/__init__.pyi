from os import PathLike
from typing import Any

__version__: str

class ClientDisconnected(OSError):
    """Raised by ``send()`` when the client has left."""

def run(app: str | None = None, *options: str | PathLike[str], **settings: Any) -> int:
    """Serve ``app``: ``rgun.run("config.asgi:application", bind=":8000", workers=4)``.

    Settings go by their names in a configuration file. In a script this process becomes the server and the call never returns;
    beside other threads, within an event loop or at a prompt the server is a child, and the call returns its exit code.
    """

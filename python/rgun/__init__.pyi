from typing import NoReturn

__version__: str

class ClientDisconnected(OSError):
    """Raised by ``send()`` when the client has left."""

def run(*arguments: str) -> NoReturn:
    """Replace this process by the server: ``rgun.run("config.asgi:application", "-b", ":8000")``."""

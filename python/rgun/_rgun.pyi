from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

__version__: str

class ClientDisconnected(ConnectionAbortedError): ...

def main(arguments: Sequence[str | PathLike[str]], reason: str | None = None, app: Callable[..., Any] | None = None, leave: int | None = None) -> int: ...
def settings() -> list[tuple[str, str | None, str | None, bool, str, str]]: ...

"""`environ["gunicorn.socket"]`: the client's socket, for apps that speak another protocol than HTTP on it."""

import socket


class ClientSocket(socket.socket):
    """The connection belongs to the server until something of this object is used; from then on to the app.

    `take()` gives a descriptor, and the bytes that were read behind the request: they are what is received first.
    """

    _ahead = b""

    def __init__(self, take):
        self.__dict__["_take"] = take

    def __getattribute__(self, name):
        # Inspecting it (`isinstance`, an environ that is printed) does not use it.
        if not name.startswith("__"):
            own = object.__getattribute__(self, "__dict__")
            take = own.get("_take")
            if take is not None:
                descriptor, ahead = take()
                del own["_take"]
                socket.socket.__init__(self, fileno=descriptor)
                socket.socket.settimeout(self, None)
                own["_ahead"] = ahead
        return socket.socket.__getattribute__(self, name)

    def __repr__(self):
        if "_take" in object.__getattribute__(self, "__dict__"):
            return "<the client's socket, not used>"
        return socket.socket.__repr__(self)

    def _first(self, size, flags):
        first = self._ahead[:size]
        if not flags & socket.MSG_PEEK:
            self._ahead = self._ahead[size:]
        return first

    def recv(self, bufsize, flags=0):
        if self._ahead:
            return self._first(bufsize, flags)
        return socket.socket.recv(self, bufsize, flags)

    def recv_into(self, buffer, nbytes=0, flags=0):
        if self._ahead:
            view = memoryview(buffer).cast("B")
            first = self._first(nbytes or len(view), flags)
            view[: len(first)] = first
            return len(first)
        return socket.socket.recv_into(self, buffer, nbytes, flags)

"""A service manager's side: the socket that `NOTIFY_SOCKET` names, and the messages received on it."""

import socket
import threading
import time

from .waiting import PATIENCE, NeverHappened


class Manager:
    """`name` is a path, or `@` and an abstract name."""

    def __init__(self, name):
        self.name = str(name)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + self.name[1:] if self.name.startswith("@") else self.name)
        self._changed = threading.Condition()
        self.messages = []
        self.times = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while data := self._socket.recv(65536):
            with self._changed:
                self.messages.append(dict(line.split("=", 1) for line in data.decode().splitlines()))
                self.times.append(time.monotonic())
                self._changed.notify_all()

    def mark(self):
        with self._changed:
            return len(self.messages)

    def wait(self, after=0, timeout=PATIENCE, **fields):
        """The first message with all these fields (`READY="1"`), and the mark behind it."""
        deadline = time.monotonic() + timeout
        with self._changed:
            at = after
            while True:
                while at < len(self.messages):
                    message = self.messages[at]
                    at += 1
                    if all(message.get(name) == value for name, value in fields.items()):
                        return message, at
                left = deadline - time.monotonic()
                if left <= 0:
                    raise NeverHappened(f"no {fields} after {after} in {self.messages}")
                self._changed.wait(left)

    def having(self, name, after=0):
        with self._changed:
            return [message for message in self.messages[after:] if name in message]

    def close(self):
        # An empty datagram ends the reader.
        self._socket.connect(self._socket.getsockname())
        self._socket.send(b"")
        self._thread.join(5)
        self._socket.close()

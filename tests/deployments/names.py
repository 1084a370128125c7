"""Docker's own name server, as far as a proxy asks it: IPv4 addresses of services, at 127.0.0.11."""

import socket
import threading


class NameServer:
    def __init__(self, addresses):
        self.addresses = addresses
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.11", 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                query, client = self.socket.recvfrom(512)
            except OSError:
                return
            length = query[12]
            name = query[13 : 13 + length].decode()
            question = query[12 : query.index(b"\0", 12) + 5]
            address = self.addresses.get(name) if question[-4:-2] == b"\0\1" else None
            # A response with recursion; RFC 1035, section 4.1. The answer's name is a pointer to the question's.
            head = query[:2] + (b"\x81\x80" if name in self.addresses else b"\x81\x83") + b"\0\1" + (b"\0\1" if address else b"\0\0") + b"\0\0\0\0"
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton(address) if address else b""
            self.socket.sendto(head + question + answer, client)

    def close(self):
        self.socket.close()

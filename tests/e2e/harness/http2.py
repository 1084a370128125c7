"""A client of HTTP/2 that does one thing after the other; frames that no client sends go out as bytes."""

import contextlib
import socket
import ssl
import time

import h2.config
import h2.connection
import h2.events
import h2.settings

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def frame(kind, flags=0, stream=0, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def block(*fields):
    """Fields as literals without a table (RFC 7541 6.2.2)."""
    encoded = b""
    for name, value in fields:
        encoded += b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
    return encoded


def request_block(method=b"GET", path=b"/", scheme=b"http", *fields):
    return block((b":method", method), (b":scheme", scheme), (b":authority", b"localhost"), (b":path", path), *fields)


def context(authority):
    """Of a client that speaks HTTP/2 before HTTP/1.1."""
    found = authority.context()
    found.set_alpn_protocols(["h2", "http/1.1"])
    return found


class Stream:
    def __init__(self, number):
        self.number, self.interim, self.headers, self.body, self.trailers = number, [], None, bytearray(), None
        self.ended, self.reset = False, None

    @property
    def status(self):
        return int(dict(self.headers)[":status"])

    @property
    def fields(self):
        return dict(self.headers)

    @property
    def is_over(self):
        return self.ended or self.reset is not None


class Http2Client:
    """`opens_windows=False`: what comes is counted, and the server has to stop."""

    def __init__(self, sock, opens_windows=True, settings=None):
        self.socket, self.opens_windows = sock, opens_windows
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8", validate_outbound_headers=False, normalize_outbound_headers=False)
        self.connection = h2.connection.H2Connection(config)
        if settings:
            self.connection.local_settings.update(settings)
        self.connection.initiate_connection()
        self.streams, self.goaways, self.pings, self.closed, self.buffer = {}, [], 0, False, b""
        self.flush()

    @classmethod
    def cleartext(cls, port, timeout=10.0, **options):
        return cls(socket.create_connection(("127.0.0.1", port), timeout=timeout), **options)

    @classmethod
    def tls(cls, port, authority, timeout=10.0, **options):
        raw = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        sock = context(authority).wrap_socket(raw, server_hostname="localhost")
        assert sock.selected_alpn_protocol() == "h2"
        return cls(sock, **options)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.socket.close()

    def flush(self):
        waiting = self.connection.data_to_send()
        if waiting:
            self.socket.sendall(waiting)

    def begin(self, path="/", **options):
        """Sends the head of a request; its stream."""
        stream = self.prepare(path, **options)
        self.flush()
        return stream

    def prepare(self, path="/", method="GET", headers=(), end=True, authority="localhost", **pseudo):
        """As `begin`, but the head is sent by the next `flush`."""
        number = self.connection.get_next_available_stream_id()
        scheme = "https" if isinstance(self.socket, ssl.SSLSocket) else "http"
        fields = [(":method", method), (":scheme", scheme), (":path", path)]
        if authority is not None:
            fields.insert(2, (":authority", authority))
        fields += [(f":{name}", value) for name, value in pseudo.items()]
        self.connection.send_headers(number, [*fields, *headers], end_stream=end)
        self.streams[number] = Stream(number)
        return self.streams[number]

    def send(self, stream, data, end=False):
        """As far as the server's windows let it; what was sent."""
        sent = 0
        while sent < len(data) or (end and not data):
            room = min(self.connection.local_flow_control_window(stream.number), self.connection.max_outbound_frame_size)
            if data and room == 0:
                if not self.step(0.5):
                    return sent
                continue
            piece = data[sent:sent + room]
            sent += len(piece)
            self.connection.send_data(stream.number, piece, end_stream=end and sent == len(data))
            self.flush()
            if not data:
                break
        return sent

    def reset(self, stream):
        self.connection.reset_stream(stream.number)
        self.flush()

    def step(self, timeout=10.0):
        """Reads once. False: nothing has come."""
        if self.closed:
            return False
        self.socket.settimeout(timeout)
        try:
            received = self.socket.recv(65536)
        except (TimeoutError, ssl.SSLWantReadError):
            return False
        except OSError:
            received = b""
        if not received:
            self.closed = True
            return True
        for event in self.connection.receive_data(self.without_goaway(received)):
            self.note(event)
        with contextlib.suppress(OSError):
            self.flush()
        return True

    def without_goaway(self, received):
        """Whole frames; h2 takes a GOAWAY for the end, and a client goes on with what it has begun."""
        self.buffer += received
        others = b""
        while len(self.buffer) >= 9 and len(self.buffer) >= 9 + int.from_bytes(self.buffer[:3], "big"):
            length = 9 + int.from_bytes(self.buffer[:3], "big")
            found, self.buffer = self.buffer[:length], self.buffer[length:]
            if found[3] == GOAWAY:
                self.goaways.append((int.from_bytes(found[9:13], "big"), int.from_bytes(found[13:17], "big")))
            else:
                others += found
        return others

    def note(self, event):
        stream = self.streams.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.PingAckReceived):
            self.pings += 1
        elif stream is None:
            pass
        elif isinstance(event, h2.events.InformationalResponseReceived):
            stream.interim.append(dict(event.headers))
        elif isinstance(event, h2.events.ResponseReceived):
            stream.headers = event.headers
        elif isinstance(event, h2.events.DataReceived):
            stream.body += event.data
            if self.opens_windows and event.flow_controlled_length:
                self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            stream.trailers = dict(event.headers)
        elif isinstance(event, h2.events.StreamEnded):
            stream.ended = True
        elif isinstance(event, h2.events.StreamReset):
            stream.reset = int(event.error_code)

    def until(self, condition, timeout=10.0):
        deadline = time.monotonic() + timeout
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0, "nothing of that has come in time"
            assert not self.closed, "the connection has ended"
            self.step(left)

    def finish(self, stream, timeout=10.0):
        self.until(lambda: stream.is_over, timeout)
        return stream

    def get(self, path="/", **options):
        return self.finish(self.begin(path, **options))

    def post(self, path, body, **options):
        stream = self.begin(path, method="POST", end=not body, **options)
        if body:
            self.send(stream, body, end=True)
        return self.finish(stream)

    def until_closed(self, timeout=10.0):
        deadline = time.monotonic() + timeout
        while not self.closed:
            left = deadline - time.monotonic()
            assert left > 0, "the connection does not end"
            self.step(left)


class RawHttp2:
    """Frames as bytes, and those of the server as they are: `(type, flags, stream, payload)`."""

    def __init__(self, port, settings=b"", timeout=10.0, first=b"", receive_buffer=None):
        self.socket = socket.socket()
        self.socket.settimeout(timeout)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self.buffer = b""
        self.send(PREFACE + frame(SETTINGS, payload=settings) + first)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.socket.close()

    def send(self, *frames):
        self.socket.sendall(b"".join(frames))

    def frames(self):
        """Until the connection ends."""
        while True:
            while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
                try:
                    received = self.socket.recv(65536)
                except ConnectionResetError:
                    received = b""
                if not received:
                    return
                self.buffer += received
            length = int.from_bytes(self.buffer[:3], "big")
            kind, flags, stream = self.buffer[3], self.buffer[4], int.from_bytes(self.buffer[5:9], "big")
            payload, self.buffer = self.buffer[9:9 + length], self.buffer[9 + length:]
            yield kind, flags, stream, payload

    def goaway(self):
        """The error code that it ends with."""
        code = None
        for kind, _, _, payload in self.frames():
            if kind == GOAWAY:
                code = int.from_bytes(payload[4:8], "big")
        return code

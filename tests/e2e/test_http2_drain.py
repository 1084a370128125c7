"""HTTP/2 when a worker is replaced or stopped: GOAWAY twice, what has begun is finished, and a client that follows it loses nothing."""

import contextlib
import signal
import threading
import time

import pytest
from harness.http2 import DATA, END_HEADERS, END_STREAM, HEADERS, SETTINGS, WINDOW_UPDATE, Http2Client, RawHttp2, frame, request_block
from harness.waiting import eventually

pytestmark = [pytest.mark.both_artifacts, pytest.mark.both_loops]

ANY_STREAM = 2**31 - 1

both = pytest.mark.parametrize("spec", ["app:app", "app:application"])


@pytest.fixture
def cleartext(serve):
    return lambda *options, **keywords: serve("http2.py", "--http2", "prior-knowledge", *options, **keywords)


@both
def test_terminate_finishes_the_streams_that_have_begun(cleartext, app, spec):
    server = cleartext("--threads", "4", spec=spec)
    with Http2Client.cleartext(server.port) as client:
        waiting = [client.begin("/wait") for _ in range(3)]
        server.log.wait("request waits", count=3)
        server.terminate()
        client.until(lambda: len(client.goaways) == 2)
        assert client.goaways == [(ANY_STREAM, 0), (5, 0)]
        (app.path / "open").touch()
        assert [client.finish(stream).body for stream in waiting] == [b"waited"] * 3
        client.until_closed()
    assert server.wait_exit() == 0


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGHUP], ids=["stop", "reload"])
def test_a_client_that_reads_slowly_gets_the_whole_response(cleartext, signal_number):
    """Its window updates arrive when the server has written everything, and meet no closed socket."""
    server = cleartext(workers=1)
    size, largest = 3_000_000, (2**30).to_bytes(4, "big")
    with RawHttp2(server.port, settings=b"\0\x04" + largest, receive_buffer=16_384) as client:
        client.send(frame(WINDOW_UPDATE, payload=largest), frame(HEADERS, END_HEADERS | END_STREAM, 1, request_block(path=b"/large?size=%d" % size)))
        received = 0
        for kind, flags, _, payload in client.frames():
            if kind == SETTINGS and not flags & 1:
                client.send(frame(SETTINGS, 1))
            if kind != DATA:
                continue
            if not received:
                server.signal(signal_number)
            received += len(payload)
            update = max(len(payload), 1).to_bytes(4, "big")
            client.send(frame(WINDOW_UPDATE, stream=1, payload=update), frame(WINDOW_UPDATE, payload=update))
            # More than four seconds for all of it.
            time.sleep(len(payload) / 700_000)
            if flags & END_STREAM:
                break
    assert received == size // 256 * 256


def test_a_stream_that_begins_before_the_client_has_heard_is_served(cleartext, app):
    server = cleartext()
    with Http2Client.cleartext(server.port) as client:
        waiting = client.begin("/wait")
        server.log.wait("request waits")
        server.terminate()
        eventually(server.refuses_connections, "the worker drains")
        # Nothing was read since: the first GOAWAY is not answered.
        late = client.begin("/")
        assert client.finish(late).body == b"hello"
        client.until(lambda: len(client.goaways) == 2)
        assert client.goaways == [(ANY_STREAM, 0), (late.number, 0)]
        (app.path / "open").touch()
        assert client.finish(waiting).body == b"waited"
        client.until_closed()
    assert server.wait_exit() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_idle_connections_are_told_and_closed(cleartext, number):
    server = cleartext("--keepalive-drain", "2")
    with Http2Client.cleartext(server.port) as client:
        assert client.get("/").body == b"hello"
        server.signal(number)
        client.until_closed()
        assert client.goaways == [(ANY_STREAM, 0), (1, 0)]


def test_a_client_that_does_not_answer_holds_up_no_drain(cleartext):
    server = cleartext("--keepalive-drain", "1", "--graceful-timeout", "20")
    with RawHttp2(server.port) as client:
        frames = client.frames()
        next(frames)
        server.signal(signal.SIGHUP)
        server.log.wait("reload succeeded")
        # It never acknowledges the ping that follows the first GOAWAY.
        assert [kind for kind, *_ in frames if kind == 7] == [7, 7]
    eventually(lambda: len(server.ready_pids()) == 1, "the old worker has gone", timeout=10)


def test_an_int_ends_them_at_once(cleartext):
    server = cleartext()
    with Http2Client.cleartext(server.port) as client:
        stream = client.begin("/wait")
        server.log.wait("request waits")
        server.signal(signal.SIGINT)
        with contextlib.suppress(AssertionError):
            client.finish(stream)
        client.until_closed()
    assert server.wait_exit() == 0


class Follower(threading.Thread):
    """Sends requests side by side, as many as `width`; after a GOAWAY it sends what that does not cover over a new connection."""

    def __init__(self, port, width=8):
        super().__init__(daemon=True)
        self.port, self.width, self.stop = port, width, threading.Event()
        self.answered, self.lost, self.goaways = 0, [], 0
        self.start()

    def run(self):
        while not self.stop.is_set():
            try:
                with Http2Client.cleartext(self.port, timeout=20) as client:
                    self.use(client)
            except (OSError, AssertionError) as error:
                self.lost.append(repr(error))

    def use(self, client):
        while not self.stop.is_set():
            streams = [client.begin("/") for _ in range(self.width)]
            client.until(lambda: client.closed or all(stream.is_over or self.may_be_sent_again(client, stream) for stream in streams), timeout=20)
            for stream in streams:
                if stream.ended and bytes(stream.body) == b"hello":
                    self.answered += 1
                elif not self.may_be_sent_again(client, stream):
                    self.lost.append((stream.number, stream.reset, client.goaways))
            if client.goaways:
                self.goaways += 1
                return

    @staticmethod
    def may_be_sent_again(client, stream):
        """RFC 9113 6.8: above the last stream of a GOAWAY nothing was done."""
        return bool(client.goaways) and stream.number > client.goaways[-1][0]


@both
def test_reloads_under_load_lose_no_request(cleartext, spec):
    server = cleartext("--threads", "4", spec=spec, workers=2)
    followers = [Follower(server.port) for _ in range(3)]
    for _ in range(8):
        before = sum(follower.answered for follower in followers)
        assert "reload succeeded" in server.reload().group(0)
        eventually(lambda: sum(follower.answered for follower in followers) > before + 50, "requests are answered")
    for follower in followers:
        follower.stop.set()
    for follower in followers:
        follower.join(30)
        assert follower.lost == []
    assert sum(follower.goaways for follower in followers) >= 8


def test_a_drain_takes_no_longer_than_its_streams(cleartext):
    server = cleartext()
    with Http2Client.cleartext(server.port) as client:
        assert client.get("/").body == b"hello"
        began = time.monotonic()
        server.terminate()
        client.until_closed()
        assert server.wait_exit() == 0
        assert time.monotonic() - began < 3

"""Application threads never wait for the network, and a worker whose threads are busy leaves new connections to others."""

import threading
import time

import pytest

from harness import processes
from harness.waiting import eventually

APP = """
import os, threading, time

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/wait":
        print("waiting in", os.getpid(), flush=True)
        while not os.path.exists("open"):
            time.sleep(0.01)
        body = b"waited"
    elif path == "/large":
        body = b"x" * 1_000_000
    elif path == "/blocks":
        start_response("200 OK", [("Content-Length", "20000000")])
        return (b"%07d." % n * 12_500 for n in range(200))
    elif path == "/file":
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](open("data", "rb"))
    elif path == "/read":
        body = b"%d" % len(environ["wsgi.input"].read())
    elif path == "/name":
        body = threading.current_thread().name.encode()
    else:
        body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.fixture
def served(app, serve):
    app.write(APP)
    with open(app.path / "data", "wb") as file:
        file.truncate(20_000_000)
    return lambda *options, workers=1: serve(None, *options, workers=workers)


def latencies(server, count=300):
    """Of a fast client on a connection of its own, sorted."""
    with server.connect() as client:
        found = []
        for _ in range(count):
            started = time.monotonic()
            assert client.get("/").status == 200
            found.append(time.monotonic() - started)
    return sorted(found)


def p99(found):
    return found[len(found) * 99 // 100]


SLOW = {
    "heads": lambda client: client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-"),
    "readers": lambda client: client.request(target="/large"),
    "downloads": lambda client: client.request(target="/file"),
    "uploads": lambda client: client.request("POST", "/read", [("Content-Length", "100000")], b"x" * 70_000),
    "chunked": lambda client: client.request("POST", "/read", [("Transfer-Encoding", "chunked")], b"5\r\nhello\r\n"),
}


def test_large_responses_wait_for_slow_readers_in_files(served):
    """More of them than threads, each larger than what memory or sockets keep."""
    server = served("--threads", "2")
    slow = [server.connect(timeout=30, receive_buffer=4096) for _ in range(8)]
    try:
        for client in slow:
            client.request("GET", "/blocks")
        # Answered by threads that are free.
        assert server.get("/").status == 200
        (pid,) = server.ready_pids()
        assert processes.resident(pid) < 64_000_000
        body = slow[0].response().body
        assert body == b"".join(b"%07d." % n * 12_500 for n in range(200))
    finally:
        for client in slow:
            client.close()


@pytest.mark.parametrize("kind", SLOW)
def test_slow_clients_never_occupy_a_thread(served, kind):
    server = served("--threads", "2")
    alone = min(p99(latencies(server)) for _ in range(3))
    slow = [server.connect(timeout=30, receive_buffer=4096) for _ in range(200)]
    try:
        for client in slow:
            SLOW[kind](client)
        # Some milliseconds on top: tests that run beside this one must not decide it.
        eventually(lambda: p99(latencies(server)) < 2 * alone + 0.01, "the fast client does not notice the slow ones", timeout=30)
        if kind == "uploads":
            for client in slow[:20]:
                client.send(b"x" * 30_000)
                assert client.response().body == b"100000"
        if kind == "readers":
            assert slow[0].response().body == b"x" * 1_000_000
        if kind == "downloads":
            assert len(slow[0].response().body) == 20_000_000
    finally:
        for client in slow:
            client.close()


def test_trickling_uploads_and_others_while_the_only_thread_is_busy(served, app):
    """With the thread in a request, the worker still reads, answers what needs no app, and keeps its times."""
    server = served("--threads", "1", "--header-timeout", "1")
    with server.connect() as busy, server.connect() as upload, server.connect() as slow, server.connect() as wrong:
        upload.request("POST", "/read", [("Content-Length", "300000")], b"x")
        busy.request(target="/wait")
        server.log.wait("waiting in")
        wrong.send(b"GET / HTTP/1.1\r\n\r\n")
        assert wrong.response().status == 400
        slow.send(b"GET / HTTP/1.1\r\n")
        assert slow.response().status == 408
        upload.send(b"x" * 299_999)
        with server.connect() as second:
            second.request(target="/name")
            assert second.quiet(0.1)
            (app.path / "open").touch()
            assert busy.response().text == "waited"
            assert upload.response().text == "300000"
            assert second.response().text == "MainThread"


def test_a_busy_worker_takes_no_connection(served, app):
    server = served("--threads", "1", workers=2)
    with server.connect() as busy:
        busy.request(target="/wait")
        pid = server.log.wait(r"waiting in (\d+)").group(1)
        took = []
        for _ in range(200):
            started = time.monotonic()
            assert server.get(timeout=5).text != pid
            took.append(time.monotonic() - started)
        assert sorted(took)[190] < 0.1 and max(took) < 2
        (app.path / "open").touch()
        assert busy.response().text == "waited"
    seen = set()
    eventually(lambda: seen.add(server.get().text) or pid in seen, "the worker is back")


def test_both_workers_busy_and_back(served, app):
    """Connections that no worker could accept wait in the kernel's queue, and are served first."""
    server = served("--threads", "1", workers=2)
    busy = []
    for number in range(2):
        # Connected only now: the first worker is busy, and leaves it to the other one.
        busy.append(server.connect())
        busy[-1].request(target="/wait")
        server.log.wait("waiting in", count=number + 1)
    waiting = [server.connect(timeout=20) for _ in range(20)]
    for client in waiting:
        client.request()
    assert waiting[0].quiet(0.2)
    (app.path / "open").touch()
    for client in busy + waiting:
        assert client.response().status == 200
        client.close()


def test_clients_that_always_have_a_next_request_keep_nobody_out(served):
    server = served("--threads", "1", workers=2)
    stop = threading.Event()

    def hog():
        with server.connect(timeout=20) as client:
            while not stop.is_set():
                client.get("/")

    hogs = [threading.Thread(target=hog) for _ in range(8)]
    for thread in hogs:
        thread.start()
    try:
        for _ in range(20):
            assert server.get(timeout=2).status == 200
    finally:
        stop.set()
        for thread in hogs:
            thread.join()


def test_requests_that_wait_overlap(served, app):
    app.write(APP.replace('body = b"waited"', 'body = threading.current_thread().name.encode()'))
    server = served("--threads", "4")
    app.write(APP.replace('body = b"waited"', 'body = threading.current_thread().name.encode()'))
    server.reload()
    clients = [server.connect() for _ in range(4)]
    for client in clients:
        client.request(target="/wait")
    server.log.wait("waiting in", count=4, timeout=5)
    (app.path / "open").touch()
    names = {client.response().text for client in clients}
    assert names == {"MainThread", "rgun-app-2", "rgun-app-3", "rgun-app-4"}


@pytest.mark.parametrize("size", [100_000_000])
def test_a_hundred_megabytes_up_and_down(app, serve, size):
    from harness import processes

    app.write("""
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["REQUEST_METHOD"] == "POST":
        total = 0
        while block := environ["wsgi.input"].read(65536):
            total += len(block)
        return [b"%d" % total]
    return (b"x" * 100_000 for _ in range(1000))
""")
    server = serve(None, "--threads", "2")
    worker = server.wait_ready()[0]
    before = processes.resident(worker)
    peak = [before]
    stop = threading.Event()

    def watch():
        while not stop.wait(0.005):
            peak[0] = max(peak[0], processes.resident(worker))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with server.connect(timeout=60) as client:
            client.request("POST", "/", [("Content-Length", str(size))])
            block = b"x" * 1_000_000
            for _ in range(size // len(block)):
                client.send(block)
            assert client.response().text == str(size)
            client.request()
            client.head()
            total = 0
            while chunk := client.chunk():
                total += len(chunk)
            assert total == size
    finally:
        stop.set()
        watcher.join()
    assert peak[0] - before < 16 << 20, f"{(peak[0] - before) >> 20} MiB more than before"


def test_a_request_that_does_not_end_is_found(app, serve):
    app.write("""
import time
def app(environ, start_response):
    def steps():
        for _ in range(20):
            time.sleep(0.2)
            yield b"step "
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/steps":
        return steps()
    if environ["PATH_INFO"] == "/hangs":
        def the_place_where_it_hangs():
            time.sleep(3600)
        the_place_where_it_hangs()
    return [b"ok"]
""")
    server = serve(None, "--threads", "2", "--timeout", "2", workers=1)
    # Four seconds, but it gets on.
    assert server.get("/steps").body == b"step " * 20
    with server.connect() as hangs:
        mark = server.log.mark()
        hangs.request(target="/hangs?really=1")
        line = server.log.wait("worker hung.*", after=mark).string
        assert "GET /hangs" in line
        server.log.wait("the_place_where_it_hangs", after=mark)
        server.wait_ready(1, after=mark)
    assert server.get().text == "ok"


def test_an_idle_worker_is_not_hung(served):
    server = served("--timeout", "1", "--threads", "2")
    pid = server.get().text
    time.sleep(3)  # longer than the timeout: nothing must happen
    assert server.get().text == pid


def test_a_slow_reader_is_no_hang(app, serve):
    """A thread that waits for its client is not stuck: the client's own timeouts count."""
    app.write("""
def app(environ, start_response):
    start_response("200 OK", [])
    return (b"x" * 1_000_000 for _ in range(20)) if environ["PATH_INFO"] == "/large" else [b"ok"]
""")
    server = serve(None, "--threads", "2", "--timeout", "1", workers=1)
    with server.connect(receive_buffer=4096, timeout=30) as slow:
        slow.request(target="/large")
        slow.head()
        time.sleep(3)
        assert server.get().text == "ok"
        total = 0
        while chunk := slow.chunk():
            total += len(chunk)
    assert total == 20_000_000
    assert not server.log.find("worker hung")


def test_a_hundred_slow_uploads_wait_in_files_and_not_in_memory(served):
    """A megabyte of each would be kept in memory, if there were fewer."""
    server = served(workers=1)
    worker = server.wait_ready()[0]
    server.get()
    before = processes.resident(worker)
    piece, size = b"x" * 1_000_000, 1_000_001
    clients = [server.connect(timeout=30) for _ in range(100)]
    for client in clients:
        client.request("POST", "/read", [("Content-Length", str(size))], piece)
    files = lambda: sum("/memfd:" not in name and "(deleted)" in name for name in processes.descriptors(worker).values())  # noqa: E731
    eventually(lambda: files() >= 60, "most of them wait in files")
    assert processes.resident(worker) - before < 60 << 20
    for client in clients:
        client.send(b"x")
        assert client.response().text == str(size)
    eventually(lambda: files() == 0, "the files are gone")


def test_twenty_readers_that_read_nothing_of_one_large_block_each(app, serve):
    """What is sent of such a block stays where it is, while there is memory for so much; then it waits in a file."""
    app.write("""
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"0123456789" * 1_000_000] if environ["PATH_INFO"] == "/large" else [b"ok"]
""")
    server = serve(None, "--threads", "2", workers=1)
    worker = server.wait_ready()[0]
    server.get()
    before = processes.resident(worker)
    slow = [server.connect(receive_buffer=4096, timeout=30) for _ in range(20)]
    for client in slow:
        client.request(target="/large")
    for client in slow:
        client.head()
    assert server.get().text == "ok"
    assert processes.resident(worker) - before < 64 << 20
    whole = b"0123456789" * 1_000_000
    for client in slow:
        assert client.read(len(whole)) == whole
    assert server.get().text == "ok"


@pytest.mark.parametrize("where", ["sleeps", "computes"])
@pytest.mark.parametrize("threads", ["1", "2"])
def test_fast_stop_cancels_what_runs(app, serve, where, threads):
    app.write("""
import atexit, time
atexit.register(print, "hook ran")
def app(environ, start_response):
    try:
        print("begun", flush=True)
        while True:
            if environ["PATH_INFO"] == "/sleeps":
                time.sleep(0.05)
    finally:
        print("cleaned up", flush=True)
""")
    import signal

    server = serve(None, "--threads", threads)
    clients = [server.connect() for _ in range(int(threads))]
    for client in clients:
        client.request(target=f"/{where}")
    server.log.wait("begun", count=len(clients))
    started = time.monotonic()
    server.signal(signal.SIGQUIT)
    assert server.wait_exit() == 0
    assert time.monotonic() - started < 4
    text = server.log.wait_end()
    assert text.count("cleaned up") == len(clients) and text.count("hook ran") == 1
    assert "Traceback" not in text


def test_a_thread_in_c_code_does_not_hold_up_the_end(app, serve):
    app.write("""
import atexit, time
atexit.register(print, "hook ran", flush=True)
def app(environ, start_response):
    print("begun", flush=True)
    time.sleep(3600)
""")
    server = serve(None, "--threads", "2", "--graceful-timeout", "1")
    clients = [server.connect() for _ in range(2)]
    for client in clients:
        client.request()
    server.log.wait("begun", count=2)
    server.terminate()
    assert server.wait_exit(8) == 0
    assert "hook ran" in server.log.wait_end()


SLOW_CLEANUP = """
import threading, time
all_busy = threading.Barrier(8)
local = threading.local()
class Cleanup:
    def __init__(self, seconds):
        self.seconds = seconds
    def __del__(self, sleep=time.sleep):
        sleep(self.seconds)
def app(environ, start_response):
    number = all_busy.wait()
    if threading.current_thread() is not threading.main_thread():
        local.cleanup = Cleanup(1.2 if threading.current_thread().name == "rgun-app-8" else 0.3)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def test_threads_that_clean_up_have_the_whole_time(app, serve):
    """They do it side by side: the time that one takes is not missing for the next."""
    app.write(SLOW_CLEANUP)
    server = serve(None, "--threads", "8", "--graceful-timeout", "3")
    clients = [server.connect() for _ in range(8)]
    for client in clients:
        client.request()
    assert [client.response().status for client in clients] == [200] * 8
    for client in clients:
        client.close()
    server.terminate()
    assert server.wait_exit() == 0
    assert "still busy" not in server.log.wait_end()


def test_thread_locals_and_signals(app, serve):
    """What belongs to a thread stays with it; the app's signal handlers run in the main thread, also while all threads sleep."""
    import signal

    app.write("""
import os, signal, threading
local = threading.local()
# Not print: the next signal may come while it still writes the last one's.
signal.signal(signal.SIGUSR2, lambda *_: os.write(1, b"handled in %s\\n" % threading.current_thread().name.encode()))
def app(environ, start_response):
    local.count = getattr(local, "count", 0) + 1
    start_response("200 OK", [])
    return [b"%d" % local.count]
""")
    server = serve(None, "--threads", "3")
    pid = server.wait_ready()[0]
    for number in range(1, 4):
        server.signal(signal.SIGUSR2, pid)
        server.log.wait("handled in MainThread", count=number, timeout=5)
        server.get()
    assert all(server.get().status == 200 for _ in range(10))

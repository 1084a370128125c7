"""Probes and metrics: a small process of its own answers them, whatever the workers do."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness.apps import IMPORT_ERROR, version
from harness.client import Client
from harness.load import Load
from harness.monitored import APP, Admin, watched  # fixture and helpers
from harness.waiting import NeverHappened, eventually


def monitors(server):
    """Children of the master that never were a worker."""
    workers = set(server.ready_pids())
    return [pid for pid in server.children() if pid not in workers]


def test_probes_over_the_life_of_a_server(watched, app):
    server, admin = watched(1, "--shutdown-delay", 60, text=version("one", before="while not os.path.exists('boot'): time.sleep(0.005)"))
    assert admin.status("/-/live") == 200
    assert (admin.status("/-/ready"), admin.status("/-/started")) == (503, 503)
    (app.path / "boot").touch()
    server.wait_ready()
    eventually(lambda: admin.status("/-/ready") == 200, "ready once a worker is")
    eventually(lambda: admin.status("/-/started") == 200, "started")
    server.terminate()
    eventually(lambda: admin.status("/-/ready") == 503, "not ready from TERM on")
    assert admin.get("/-/ready").text == "stopping\n"
    assert server.get("/").status == 200, "it goes on accepting for the delay"
    assert (admin.status("/-/live"), admin.status("/-/started")) == (200, 200)
    server.terminate()
    assert server.wait_exit() == 0
    with pytest.raises(ConnectionRefusedError):
        admin.status("/-/live")


def test_it_stays_ready_during_reloads(watched):
    server, admin = watched(2)
    server.wait_ready(2)
    eventually(lambda: admin.status("/-/ready") == 200, "ready once a worker is")
    over = threading.Event()
    answers = []

    def ask():
        while not over.is_set():
            answers.append(admin.get("/-/ready"))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for count in range(1, 6):
            server.signal(signal.SIGHUP)
            server.log.wait("reload succeeded", count=count)
    finally:
        over.set()
        asking.join()
    assert len(answers) > 20
    assert [answer.text for answer in answers if answer.status != 200] == []


def test_it_answers_at_once_while_every_worker_is_blocked(watched, app):
    server, admin = watched(2, "--timeout", 0)
    server.wait_ready(2)
    with contextlib.ExitStack() as clients:
        blocked = []

        def block():
            """A worker that is stuck may hold one connection that it took just before: then there are three."""
            client = clients.enter_context(server.connect(timeout=60))
            client.request("GET", "/block")
            blocked.append(client)
            wanted = admin.total("rgun_requests_in_flight") + 1
            with contextlib.suppress(NeverHappened):
                eventually(lambda: admin.total("rgun_requests_in_flight") >= min(wanted, 2), "one more is blocked", timeout=2)
            return admin.total("rgun_requests_in_flight")

        eventually(lambda: block() == 2, "both are blocked")
        times = []
        for path in ["/-/live", "/-/ready", "/-/started", "/-/metrics"] * 5:
            began = time.monotonic()
            admin.status(path)
            times.append(time.monotonic() - began)
        assert max(times) < 0.05, f"{[round(1000 * t) for t in times]} ms"
        assert admin.status("/-/live") == 200
        eventually(lambda: admin.status("/-/ready") == 503, "nobody can take a request")
        assert "2 stuck" in admin.get("/-/ready").text
        assert admin.total("rgun_worker_heartbeat_age_seconds", slot=0) >= 5
        before = admin.total("rgun_worker_busy_seconds_total")
        eventually(lambda: admin.total("rgun_worker_busy_seconds_total") > before + 1, "blocked is busy, also while it lasts")
        (app.path / "open").touch()
        assert all(client.response().status == 200 for client in blocked)
    eventually(lambda: admin.status("/-/ready") == 200, "ready again")


def test_the_numbers_tell_what_happened(watched, app):
    server, admin = watched(1)
    server.wait_ready()
    with server.connect() as client:
        for path in ("/", "/", "/missing"):
            client.get(path)
        client.request("GET", "/wait", headers=[("x-request-start", f"t={time.time() - 2:.3f}")])
        eventually(lambda: admin.total("rgun_requests_in_flight") == 1, "one is in flight")
        eventually(lambda: admin.total("rgun_connections") == 1, "one connection")
        (app.path / "open").touch()
        client.response()
    numbers = eventually(lambda: admin.total("rgun_requests_total") == 4 and admin.metrics(), "all have ended")
    count = lambda name: numbers[f'{name}{{slot="0"}}']  # noqa: E731
    assert numbers['rgun_requests_total{slot="0",class="2xx"}'] == 3 and numbers['rgun_requests_total{slot="0",class="4xx"}'] == 1
    assert count("rgun_request_duration_seconds_count") == 4
    assert count("rgun_request_queue_seconds_count") == 1 and 1.9 < count("rgun_request_queue_seconds_sum") < 15
    assert count("rgun_accept_wait_seconds_count") == count("rgun_connections_accepted_total") >= 1
    assert count("rgun_received_bytes_total") > 100 and count("rgun_sent_bytes_total") > 4
    assert 0 < count("rgun_worker_busy_seconds_total") < 15
    assert numbers['rgun_workers{state="serving"}'] == 1 and numbers["rgun_workers_wanted"] == 1
    assert numbers[f'rgun_accept_queue_limit{{listener="http://127.0.0.1:{server.port}"}}'] > 0
    for process, slot in (("master", ""), ("monitor", ""), ("worker", "0")):
        resident = numbers[f'rgun_memory_resident_bytes{{process="{process}",slot="{slot}"}}']
        proportional = numbers[f'rgun_memory_proportional_bytes{{process="{process}",slot="{slot}"}}']
        assert 1e5 < proportional <= resident < 1e9, process
    with Load(server, clients=2, pause=0) as load:
        admin.metrics()
        load.flows(500)
        eventually(lambda: 0.02 < admin.total("rgun_worker_busy_ratio") <= 1, "a loaded worker is busy")


def test_counters_never_go_back(watched, app):
    server, admin = watched(2)
    server.wait_ready(2)
    seen = {}

    def look():
        numbers = admin.metrics()
        for name, value in numbers.items():
            if re.match(r"\w+_(total|count|bucket|sum)\b", name):
                assert value >= seen.get(name, 0), name
        # A generation's end with its last worker.
        lasting = (name for name in seen if "_total" in name and not name.startswith("rgun_generation_"))
        missing = [name for name in lasting if name not in numbers]
        assert not missing
        seen.update(numbers)

    with Load(server, clients=2, keep_alive=False) as load:
        for _ in range(3):
            load.flows()
            look()
            os.kill(server.ready_pids()[-1], signal.SIGKILL)  # the newest: older ones may be on their way out
            look()
            eventually(lambda: admin.total("rgun_workers", state="serving") == 2, "replaced")
            look()
            assert server.reload().group(1) == "succeeded"
            look()
    app.write(IMPORT_ERROR)
    assert server.reload().group(1) == "rolled back"
    eventually(lambda: admin.total("rgun_reloads_total", result="failed") == 1, "the failed reload counts")
    assert admin.total("rgun_reloads_total", result="succeeded") == 3
    assert admin.total("rgun_worker_restarts_total", cause="signal") == 3
    assert admin.total("rgun_generation") == 4
    assert admin.total("rgun_requests_total") >= load.answered


def test_a_dead_monitor_is_replaced_and_nobody_notices(watched):
    server, admin = watched(1)
    server.wait_ready()
    with Load(server, clients=2) as load:
        for _ in range(2):
            (monitor,) = eventually(lambda: monitors(server), "there is a monitor")
            os.kill(monitor, signal.SIGKILL)
            eventually(lambda: monitors(server) not in ([], [monitor]), "another one")
            assert admin.status("/-/ready") == 200
        load.assert_nothing_failed()
    assert len(server.log.find("monitor died")) == 2
    assert admin.total("rgun_worker_restarts_total") == 0


def test_the_monitor_holds_nothing_of_the_server(watched):
    server, admin = watched(1)
    server.wait_ready()
    admin.metrics()
    (monitor,) = monitors(server)
    server.terminate()
    assert server.wait_exit() == 0
    eventually(lambda: not os.path.exists(f"/proc/{monitor}"), "it has gone with the master")


def test_a_successor_can_bind_where_it_listened_at_once(watched):
    """The monitor has gone before the master goes; it would notice too late that the master has."""
    for _ in range(4):
        server, admin = watched(1)
        server.wait_ready()
        (monitor,) = eventually(lambda: monitors(server), "there is a monitor")
        server.terminate()
        assert server.wait_exit() == 0
        assert not os.path.exists(f"/proc/{monitor}")
        with socket.socket() as successor:
            successor.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            successor.bind(("127.0.0.1", admin.port))
            successor.listen()


def test_it_goes_when_the_master_is_killed(watched):
    server, admin = watched(1)
    server.wait_ready()
    assert admin.status("/-/live") == 200
    os.kill(server.master, signal.SIGKILL)
    server.wait_exit()

    def refused():
        try:
            admin.status("/-/live")
        except (ConnectionRefusedError, ConnectionResetError):
            return True
        return False

    eventually(refused, "the address is free for a successor")


def test_signals_to_the_group_leave_it_to_the_master(watched):
    server, admin = watched(1, "--shutdown-delay", 60)
    server.wait_ready()
    eventually(lambda: admin.status("/-/ready") == 200, "ready")
    (monitor,) = monitors(server)
    os.kill(monitor, signal.SIGTERM)
    os.kill(monitor, signal.SIGINT)
    assert admin.status("/-/ready") == 200 and monitors(server) == [monitor]


def test_http_as_probes_and_scrapers_use_it(watched):
    server, admin = watched(1)
    server.wait_ready()
    eventually(lambda: admin.status("/-/ready") == 200, "ready")
    refused = admin.get("/-/live", "DELETE")
    assert refused.status == 405 and refused.header("allow") == "GET, HEAD"
    head = admin.get("/-/live", "HEAD")
    assert head.status == 200 and head.body == b"" and head.header("content-length") == "3"
    assert admin.get("/-/live?x=1").text == "ok\n"
    with Client.tcp("127.0.0.1", admin.port) as client:
        client.send(b"GET /-/live HTTP/1.0\r\n\r\n")
        assert client.response().status == 200
    for wrong, status in ((b"GET /-/live HTTP/1.1\r\n\r\n", 400), (b"GET /" + b"a" * 2000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414), (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(100)) + b"\r\n", 431)):
        with Client.tcp("127.0.0.1", admin.port) as client:
            client.send(wrong)
            assert client.response().status == status
    with Client.tcp("127.0.0.1", admin.port) as client:
        client.send(b"GET /-/live HTTP/1.1\r\nHost: x\r\n\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.response().status == 200, "a client that has closed its side gets its answer"


SCRAPER = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


def test_metrics_in_the_format_that_is_asked_for(watched):
    server, admin = watched(1)
    server.wait_ready()
    for path in ("/-/metrics", "/metrics"):
        plain = admin.get(path)
        assert plain.header("content-type") == "text/plain; version=0.0.4; charset=utf-8"
        assert "# TYPE rgun_requests_total counter\n" in plain.text and "# EOF" not in plain.text and " info\n" not in plain.text
        open_metrics = admin.get(path, headers=[("accept", SCRAPER)])
        assert open_metrics.header("content-type") == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        assert "# TYPE rgun_requests counter\n" in open_metrics.text and open_metrics.text.endswith("# EOF\n")
        assert admin.get(path, headers=[("accept", "text/plain")]).header("content-type").startswith("text/plain; version=0.0.4")
        samples = [sorted({line.partition("{")[0].partition(" ")[0] for line in text.splitlines() if not line.startswith("#")}) for text in (plain.text, open_metrics.text)]
        assert samples[0] == samples[1], "the same samples in both"


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool, see .ci/promtool")
def test_promtool_finds_nothing_to_say(watched):
    server, admin = watched(1)
    server.wait_ready()
    server.get("/")
    checked = subprocess.run(["promtool", "check", "metrics"], input=admin.get("/-/metrics").text, capture_output=True, text=True, timeout=60)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_what_is_not_a_probe(watched):
    server, admin = watched(1)
    server.wait_ready()
    assert admin.status("/") == 404
    assert admin.get("/-/live", "POST").status == 405
    assert admin.get("/-/live", "HEAD").body == b""
    with Client.tcp("127.0.0.1", admin.port) as client:
        assert [client.get("/-/live").status for _ in range(3)] == [200] * 3, "keep-alive"
        client.send(b"NONSENSE\r\n\r\n")
        assert client.response().status == 400
    idle = [socket.create_connection(("127.0.0.1", admin.port)) for _ in range(80)]
    assert admin.status("/-/live") == 200, "silent clients make room"
    for client in idle:
        client.close()


def test_on_a_unix_socket_and_not_by_default(launch, app, tmp_path):
    app.write(APP)
    path = tmp_path / "admin.sock"
    server = launch("app:app", "--admin-bind", f"unix:{path}")
    server.wait_ready()
    with Client.unix(path) as client:
        eventually(lambda: client.get("/-/ready").status == 200, "ready")
    server.terminate()
    assert server.wait_exit() == 0 and not path.exists()
    plain = launch("app:app")
    plain.wait_ready()
    assert monitors(plain) == []


def test_wsgi_threads_are_counted_while_they_work(watched, app):
    server, admin = watched(1, "--threads", 4, text=WSGI)
    server.wait_ready()
    with server.connect() as client:
        client.request("GET", "/")
        eventually(lambda: admin.total("rgun_requests_in_flight") == 1, "a thread is at work")
        ratio = lambda: admin.total("rgun_worker_busy_ratio")  # noqa: E731
        ratio()
        eventually(lambda: 0.2 < ratio() < 0.3, "one of four threads is at work")
        (app.path / "open").touch()
        client.response()


WSGI = """
import os, time

def app(environ, start_response):
    while not os.path.exists("open"):
        time.sleep(0.005)
    start_response("200 OK", [])
    return [b"done"]
"""


def test_a_monitor_that_is_stopped_is_replaced(watched):
    server, admin = watched(1)
    server.wait_ready()
    eventually(lambda: admin.status("/-/live") == 200, "it answers")
    (monitor,) = monitors(server)
    os.kill(monitor, signal.SIGSTOP)
    try:
        server.log.wait(r"helper hung, killing it and starting another one helper=monitor silent_ms=1\d{4}", timeout=30)
        eventually(lambda: monitors(server) not in ([], [monitor]), "another one")
        assert admin.status("/-/live") == 200
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(monitor, signal.SIGCONT)
    assert admin.total("rgun_monitor_restarts_total") == 1
    assert admin.total("rgun_worker_restarts_total") == 0
    assert not server.log.find("monitor died"), "one line says it"


def test_a_server_that_was_suspended_keeps_its_monitor(watched):
    server, admin = watched(1)
    server.wait_ready()
    eventually(lambda: admin.status("/-/live") == 200, "it answers")
    (monitor,) = monitors(server)
    family = [monitor, *server.ready_pids(), server.master]
    for pid in family:
        os.kill(pid, signal.SIGSTOP)
    # As long as that a beat of before it would be too old.
    time.sleep(12)
    for pid in reversed(family):
        os.kill(pid, signal.SIGCONT)
    server.log.wait("the master did not run")
    eventually(lambda: admin.status("/-/live") == 200, "it answers again")
    assert monitors(server) == [monitor] and not server.log.find("helper hung")

"""The access log: gunicorn's default line, one write each, also for what was refused."""

import re
import time

from harness.load import Load
from harness.waiting import eventually

LINE = re.compile(r'^(\S+) - (\S+) \[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "([^"]*)" (\d{3}) (\d+|-) "([^"]*)" "((?:[^"\\]|\\.)*)"$')


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def test_gunicorns_default_format(serve, app):
    server = serve("hello.py", "--access-logfile", "access.log")
    with server.connect() as client:
        client.get("/path?a=1", [("User-Agent", "tester/1.0"), ("Referer", "http://example.org/")])
    line = eventually(lambda: lines(app.path / "access.log"), "a line")[0]
    match = LINE.match(line)
    assert match, line
    client, user, when, request, status, size, referer, agent = match.groups()
    assert (client, user, request, status, size) == ("127.0.0.1", "-", "GET /path?a=1 HTTP/1.1", "200", "13")
    assert (referer, agent) == ("http://example.org/", "tester/1.0")
    assert abs(time.mktime(time.strptime(when[:20], "%d/%b/%Y:%H:%M:%S")) - time.time()) < 60


def test_standard_output(serve):
    server = serve("hello.py", "--access-logfile", "-")
    server.get("/there")
    server.log.wait(r'"GET /there HTTP/1.1" 200 13')


def test_off_by_default(serve):
    server = serve("hello.py")
    server.get("/there")
    server.get("/there")
    assert not server.log.find("/there")


def test_refused_requests_are_logged(serve, app):
    server = serve("hello.py", "--access-logfile", "access.log")
    with server.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert client.response().status == 400
    eventually(lambda: [line for line in lines(app.path / "access.log") if '" 400 ' in line], "the refused request is logged")


def test_quotes_and_controls_cannot_forge_a_line(serve, app):
    server = serve("hello.py", "--access-logfile", "access.log")
    with server.connect() as client:
        client.send(b'GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: x" 200 1 "\x09\\\xff\r\n\r\n')
        client.response()
    found = eventually(lambda: lines(app.path / "access.log"), "a line")
    assert len(found) == 1 and LINE.match(found[0]), found


def test_lines_of_several_workers_never_mix(serve, app):
    server = serve("hello.py", "--access-logfile", "access.log", workers=4)
    with Load(server, clients=8, pause=0, path="/" + "x" * 1000) as load:
        load.flows(2000)
    load.assert_nothing_failed()
    server.terminate()
    server.wait_exit()
    found = lines(app.path / "access.log")
    assert len(found) == load.answered
    assert all(LINE.match(line) for line in found)


def test_a_file_that_cannot_be_opened_is_told(launch, app):
    app.copy("hello.py")
    server = launch("app:app", "--access-logfile", "/no/such/directory/access.log")
    assert server.wait_exit() in (1, 2)
    assert "/no/such/directory/access.log" in server.log.wait_end()


def test_error_log_to_a_file(launch, app):
    app.copy("hello.py")
    server = launch("app:app", "--error-logfile", "error.log")
    eventually(lambda: any("worker ready" in line for line in lines(app.path / "error.log")), "the log is in the file")
    server.terminate()
    assert server.wait_exit() == 0
    assert "worker ready" not in server.log.wait_end()

"""Lines of the access log."""

import re
import socket
import struct

from harness.waiting import NeverHappened, eventually
from raw import ask, head, over
from story import story

APP = """
def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raises":
        raise RuntimeError("no")
    if path == "/chunked":
        start_response("200 OK", [("X-Res", "answer")])
        return iter([b"hel", b"lo"])
    if path in ("/304", "/204"):
        start_response(path[1:] + " Of its own", [("ETag", "x")])
        return []
    if path == "/longer":
        start_response("200 OK", [("Content-Length", "2")])
        return [b"hello"]
    if path == "/own":
        start_response('299 A long "story"', [("Content-Length", "0"), ("X-Res", "one"), ("X-Res", "two")])
        return []
    body = b"" if path == "/empty" else b"hello"
    start_response("404 Not Found" if path == "/missing" else "200 OK", [("Content-Length", str(len(body))), ("X-Res", "answer")])
    return [body]
"""
REQUESTS = {
    "plain": head("GET /a?b=1 HTTP/1.1", "Host: a", "User-Agent: parity", "Referer: http://from.example/", "X-Req: asked"),
    "nothing said": head("GET / HTTP/1.1", "Host: a"),
    "quotes": head("GET /%22 HTTP/1.1", "Host: a", 'User-Agent: a "b" \\c', "X-Req: \xe9"),
    "user": head("GET / HTTP/1.1", "Host: a", "Authorization: Basic YWxpY2U6eA=="),
    "missing": head("GET /missing HTTP/1.1", "Host: a"),
    "empty": head("GET /empty HTTP/1.1", "Host: a"),
    "raises": head("GET /raises HTTP/1.1", "Host: a"),
    "post": head("POST /p HTTP/1.1", "Host: a", "Content-Length: 2", body=b"hi"),
    "old": head("GET / HTTP/1.0"),
    "behind a proxy": head("GET / HTTP/1.1", "Host: a", "X-Forwarded-For: 192.0.2.1"),
    "head": head("HEAD /a HTTP/1.1", "Host: a"),
    "head of what is not said to be how long": head("HEAD /chunked HTTP/1.1", "Host: a"),
    "chunked": head("GET /chunked HTTP/1.1", "Host: a"),
    "chunked in HTTP/1.0": head("GET /chunked HTTP/1.0", "Host: a"),
    "not modified": head("GET /304 HTTP/1.1", "Host: a"),
    "no content": head("GET /204 HTTP/1.1", "Host: a"),
    "more than it said": head("GET /longer HTTP/1.1", "Host: a"),
    "status of its own": head("GET /own HTTP/1.1", "Host: a"),
    "escapes": head("GET /%C3%A9%20%25%09?%22=%0d&x=%zz HTTP/1.1", "Host: a"),
    "query alone": head("GET /? HTTP/1.1", "Host: a"),
    "absolute form": head("GET http://example.org/x?y HTTP/1.1", "Host: a"),
    "asterisk": head("OPTIONS * HTTP/1.1", "Host: a"),
    "method of its own": head("PURGE /a HTTP/1.1", "Host: a"),
    "tab in the user agent": head("GET / HTTP/1.1", "Host: a", "User-Agent: a\tb"),
    "percent signs": head("GET /%25s?%s HTTP/1.1", "Host: a", "User-Agent: %(h)s %s %%", "Referer: 100%"),
    "empty user agent": head("GET / HTTP/1.1", "Host: a", "User-Agent:", "Referer:"),
    "two referers": head("GET / HTTP/1.1", "Host: a", "Referer: one", "Referer: two", "X-Req: one", "X-Req: two"),
    "user without a password": head("GET / HTTP/1.1", "Host: a", "Authorization: Basic YWxpY2U="),
    "user of no name": head("GET / HTTP/1.1", "Host: a", "Authorization: Basic OngK"),
    "user with a quote": head("GET / HTTP/1.1", "Host: a", "Authorization: Basic YSJiOng="),
    "user in lower case": head("GET / HTTP/1.1", "Host: a", "Authorization: basic YWxpY2U6eA=="),
    "user that is none": head("GET / HTTP/1.1", "Host: a", "Authorization: Basic ===="),
    "bearer": head("GET / HTTP/1.1", "Host: a", "Authorization: Bearer abc"),
    "user of many letters": head("GET / HTTP/1.1", "Host: a", "Authorization: Basic w6k6eA=="),
}
ATOMS = ["h", "l", "u", "t", "r", "m", "U", "q", "H", "s", "B", "b", "f", "a", "{x-req}i", "{x-res}o", "{path_info}e", "{server_software}e", "{request_method}e", "{wsgi.url_scheme}e", "{HTTP_HOST}e", "{X-RES}o", "{content-length}o", "{date}o", "{nothing}i", "{nothing}o", "{nothing}e", "p", "T", "D", "M", "L", "nonsense"]
VOLATILE = {
    "{server_software}e": r"(gunicorn|rgun)/[\d.]+", "{date}o": r"[A-Z][a-z]{2}, .* GMT",
    "t": r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]", "p": r"<\d+>", "T": r"\d", "D": r"\d+", "M": r"\d+", "L": r"\d\.\d{6}",
}


def _lines(subject, *words):
    subject.write(APP)
    server = subject.start("app:app", "--access-logfile", "access.log", *words)
    path = subject.directory / "access.log"
    server.wait_serving("/begin")

    def logged():
        return path.read_text(encoding="latin-1").splitlines()

    eventually(logged, "the first request is logged")
    lines = {}
    for name, request in REQUESTS.items():
        # After the answer: its line must be there before the next request.
        before = len(logged())
        ask(server, request)
        lines[name] = eventually(lambda: logged()[before:], f"{name} is logged")[-1]
    return lines


@story
def the_default_format(subject):
    return {name: re.sub(VOLATILE["t"], "[TIME]", line) for name, line in _lines(subject).items()}


@story
def every_atom(subject):
    facts = {}
    for name, line in _lines(subject, "--access-logformat", "|".join(f"%({atom})s" for atom in ATOMS)).items():
        for atom, value in zip(ATOMS, line.split("|")):
            pattern = VOLATILE.get(atom)
            facts[f"{name}: {atom}"] = "as expected" if pattern and re.fullmatch(pattern, value) else value
    return facts


@story
def to_standard_output(subject):
    subject.write(APP)
    server = subject.start("app:app", "--access-logfile", "-")
    server.wait_serving("/begin")
    server.log.wait('"GET /begin HTTP/1.1" 200 5')
    return {"is there": True}


@story
def a_line_of_a_unix_socket(subject):
    subject.write(APP)
    place = subject.directory / "s"
    server = subject.start("app:app", "--access-logfile", "access.log", bind=f"unix:{place}")
    eventually(place.exists, "the socket is there")
    eventually(lambda: over(place, REQUESTS["plain"]).startswith(b"HTTP/1.1 200"), "the server answers")
    server.terminate()
    server.wait_exit()
    line = (subject.directory / "access.log").read_text().splitlines()[-1]
    return {"line": re.sub(VOLATILE["t"], "[TIME]", line)}


@story
def a_request_that_is_refused(subject):
    subject.write(APP)
    server = subject.start("app:app", "--access-logfile", "access.log")
    server.wait_serving("/begin")
    ask(server, b"GET /nothing HTTP/1.1\r\nHost: a\r\nbad line\r\n\r\n")
    ask(server, REQUESTS["plain"])
    server.terminate()
    server.wait_exit()
    lines = (subject.directory / "access.log").read_text().splitlines()[1:]
    return {f"line {number}": re.sub(VOLATILE["t"], "[TIME]", line) for number, line in enumerate(lines)}


@story
def a_client_that_leaves(subject):
    subject.write("""
import os, time
def app(environ, start_response):
    if environ["PATH_INFO"] == "/late":
        open("entered", "w").close()
        while not os.path.exists("go"):
            time.sleep(0.01)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
""")
    server = subject.start("app:app", "--access-logfile", "access.log", "--access-logformat", "%(r)s|%(b)s|%(s)s")
    server.wait_serving("/begin")
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(head("GET /late HTTP/1.1", "Host: a"))
        eventually((subject.directory / "entered").exists, "the request is in the app")
        # It is reset, not only closed.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    path = subject.directory / "access.log"

    def lines():
        return [line for line in path.read_text().splitlines() if "/late" in line]

    try:
        # A server may detect at once that the client has left.
        eventually(lines, "it is logged", timeout=2)
    except NeverHappened:
        pass
    (subject.directory / "go").touch()
    line = eventually(lines, "it is logged")[0]
    request, length, status = line.split("|")
    return {"request": request, "length": length, "status": status}


LOGGERS = """
from gunicorn import glogging
class Shaped(glogging.Logger):
    error_fmt = "%(levelname)s|%(name)s|%(process)d|%(asctime)s %(message)s"
    datefmt = "%Y %j %H"
    access_fmt = "access: %(message)s"
class Dateless(glogging.Logger):
    datefmt = None
class Quiet(glogging.Logger):
    def access(self, resp, req, environ, request_time):
        if environ["PATH_INFO"] != "/healthz":
            super().access(resp, req, environ, request_time)
"""
SHAPES = {
    "Shaped": r"(INFO|ERROR)\|gunicorn\.error\|\d+\|\d{4} \d{3} \d\d \S.*",
    "Dateless": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \[\d+\] \[(INFO|ERROR)\] \S.*",
}


@story
def logger_classes(subject):
    subject.write(APP)
    subject.write(LOGGERS, "loggers.py")
    facts = {}
    for name, pattern in SHAPES.items():
        words = ["--logger-class", f"loggers.{name}", "--access-logfile", "access.log", "--access-logformat", "%(r)s %(s)s"]
        place = subject.directory / name
        server = subject.start("app:app", *words, bind=f"unix:{place}")
        eventually(place.exists, "the socket is there")
        eventually(lambda: over(place, REQUESTS["plain"]).startswith(b"HTTP/1.1 200"), "the server answers")
        server.terminate()
        facts[f"{name}: exit code"] = server.wait_exit()
        facts[f"{name}: access line"] = (subject.directory / "access.log").read_text().splitlines()[-1]
        facts[f"{name}: the error log has its form"] = all(re.fullmatch(pattern, line) for line in server.log.wait_end().splitlines())
        (subject.directory / "access.log").unlink()
    facts["Quiet: exit code"] = subject.exit_code("app:app", "--logger-class", "loggers.Quiet", "--check-config", bind=None)
    return facts

"""Lines of the access log."""

import re

from harness.waiting import eventually
from raw import ask, head
from story import story

APP = """
def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raises":
        raise RuntimeError("no")
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
}
ATOMS = ["h", "l", "u", "t", "r", "m", "U", "q", "H", "s", "B", "b", "f", "a", "{x-req}i", "{x-res}o", "{path_info}e", "{nothing}i", "p", "T", "D", "M", "L", "nonsense"]
VOLATILE = {
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

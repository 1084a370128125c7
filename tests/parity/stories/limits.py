"""Rejected requests and their responses."""

from raw import ask, head
from story import story

APP = "def app(environ, start_response):\n    environ['wsgi.input'].read()\n    start_response('200 OK', [('Content-Length', '2')])\n    return [b'ok']\n"
HOST = "Host: a"


def _statuses(subject, cases, *words):
    subject.write(APP)
    server = subject.start("app:app", *words)
    server.wait_serving()
    answers = {name: ask(server, request) for name, request in cases.items()}
    # It still serves.
    answers["afterwards"] = ask(server, head("GET / HTTP/1.1", HOST))
    return {name: answer and answer.status for name, answer in answers.items()}


@story
def the_default_limits(subject):
    return _statuses(subject, {
        "line of 4000": head("GET /" + "a" * 3980 + " HTTP/1.1", HOST),
        "line of 9000": head("GET /" + "a" * 9000 + " HTTP/1.1", HOST),
        "100 fields": head("GET / HTTP/1.1", HOST, *(f"X-{n}: 1" for n in range(98))),
        "110 fields": head("GET / HTTP/1.1", HOST, *(f"X-{n}: 1" for n in range(110))),
        "field of 8000": head("GET / HTTP/1.1", HOST, "X-A: " + "a" * 7990),
        "field of 9000": head("GET / HTTP/1.1", HOST, "X-A: " + "a" * 9000),
    })


@story
def limits_of_ones_own(subject):
    words = ["--limit-request-line", "100", "--limit-request-fields", "5", "--limit-request-field_size", "50"]
    return _statuses(subject, {
        "line of 90": head("GET /" + "a" * 76 + " HTTP/1.1", HOST),
        "line of 120": head("GET /" + "a" * 106 + " HTTP/1.1", HOST),
        "5 fields": head("GET / HTTP/1.1", HOST, *(f"X-{n}: 1" for n in range(3))),
        "7 fields": head("GET / HTTP/1.1", HOST, *(f"X-{n}: 1" for n in range(5))),
        "field of 40": head("GET / HTTP/1.1", HOST, "X-A: " + "a" * 35),
        "field of 60": head("GET / HTTP/1.1", HOST, "X-A: " + "a" * 55),
    }, *words)


@story
def requests_that_are_malformed(subject):
    chunked = "Transfer-Encoding: chunked"
    return _statuses(subject, {
        "no version": head("GET /", HOST), "HTTP/2.0": head("GET / HTTP/2.0", HOST), "HTTP/1.2": head("GET / HTTP/1.2", HOST),
        "lower-case method": head("get / HTTP/1.1", HOST), "no target": head("GET  HTTP/1.1", HOST), "blank in the target": head("GET /a b HTTP/1.1", HOST),
        "control in the target": head("GET /\x01 HTTP/1.1", HOST), "relative target": head("GET a HTTP/1.1", HOST),
        "no host": head("GET / HTTP/1.1"), "two hosts": head("GET / HTTP/1.1", HOST, "Host: b"), "host with a blank": head("GET / HTTP/1.1", "Host: a b"),
        "blank before the colon": head("GET / HTTP/1.1", HOST, "X-A : 1"), "no colon": head("GET / HTTP/1.1", HOST, "X-A"),
        "folded": head("GET / HTTP/1.1", HOST, "X-A: 1", " 2"), "NUL in a value": head("GET / HTTP/1.1", HOST, "X-A: a\0b"),
        "bare LF": b"GET / HTTP/1.1\nHost: a\n\n", "name with a blank": head("GET / HTTP/1.1", HOST, "X A: 1"),
        "length and chunked": head("POST / HTTP/1.1", HOST, chunked, "Content-Length: 5", body=b"0\r\n\r\n"),
        "two lengths": head("POST / HTTP/1.1", HOST, "Content-Length: 2", "Content-Length: 3", body=b"abc"),
        "the same length twice": head("POST / HTTP/1.1", HOST, "Content-Length: 2", "Content-Length: 2", body=b"ab"),
        "length with a sign": head("POST / HTTP/1.1", HOST, "Content-Length: +2", body=b"ab"),
        "length that is none": head("POST / HTTP/1.1", HOST, "Content-Length: two", body=b"ab"),
        "chunked in HTTP/1.0": head("POST / HTTP/1.0", HOST, chunked, body=b"0\r\n\r\n"),
        "chunked twice": head("POST / HTTP/1.1", HOST, chunked, chunked, body=b"0\r\n\r\n"),
        "unknown coding": head("POST / HTTP/1.1", HOST, "Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
        "coding that is not known": head("POST / HTTP/1.1", HOST, "Transfer-Encoding: nonsense", body=b"0\r\n\r\n"),
        "expectation that is not known": head("POST / HTTP/1.1", HOST, "Expect: cake", "Content-Length: 2", body=b"ab"),
        "connect": head("CONNECT a:1 HTTP/1.1", "Host: a:1"), "schemes that disagree": head("GET / HTTP/1.1", HOST, "X-Forwarded-Proto: https", "X-Forwarded-Ssl: off"),
    })


@story
def names_with_underscores(subject):
    facts = {}
    for choice in ("drop", "refuse", "dangerous"):
        statuses = _statuses(subject, {"one": head("GET / HTTP/1.1", HOST, "X_A: 1")}, "--header-map", choice)
        facts[choice] = statuses["one"]
    return facts

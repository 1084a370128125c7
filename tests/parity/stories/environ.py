"""The environ of a request that a WSGI app gets."""

import json
import re

from raw import ask
from shapes import REQUESTS
from story import story

APP = """
import json
def app(environ, start_response):
    body = environ["wsgi.input"].read()
    shown = {}
    for key, value in environ.items():
        shown[key] = value if isinstance(value, (str, int, bool)) else list(value) if key == "wsgi.version" else callable(value) or type(value).__name__ != ""
    shown["the body"] = body.decode("latin-1")
    text = json.dumps(shown).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(text)))])
    return [text] if environ["REQUEST_METHOD"] != "HEAD" else []
"""
# Values that no app can rely on.
_PORTS = ("SERVER_PORT", "REMOTE_PORT")


def shown(server, answer):
    facts = json.loads(answer.body)
    for key in _PORTS:
        if key in facts:
            facts[key] = facts[key] if key == "SERVER_PORT" and str(facts[key]) != str(server.port) else "a port"
    facts["SERVER_SOFTWARE"] = re.sub(r"^(gunicorn|rgun)/[\d.]+$", "NAME/VERSION", facts["SERVER_SOFTWARE"])
    return facts


def environs(subject, *words):
    subject.write(APP)
    server = subject.start("app:app", *words)
    server.wait_serving()
    facts = {}
    for name, request in REQUESTS.items():
        answer = ask(server, request)
        facts[f"{name}: status"] = answer and answer.status
        if answer and answer.status == 200 and answer.body:
            facts.update({f"{name}: {key}": value for key, value in shown(server, answer).items()})
    return facts


@story
def the_environ_of_many_requests(subject):
    return environs(subject)


@story
def the_environ_with_threads(subject):
    facts = environs(subject, "-k", "gthread", "--threads", "2")
    return {name: value for name, value in facts.items() if name.startswith("plain: ")}


@story
def the_environ_with_a_mount_point_from_the_environment(subject):
    subject.write(APP)
    facts = {}
    for words, variables in (["-e", "SCRIPT_NAME=/mounted"], {}), ([], {"SCRIPT_NAME": "/mounted"}):
        server = subject.start("app:app", *words, env=variables)
        server.wait_serving("/mounted/")
        for path in ("/mounted/a", "/mounted", "/elsewhere"):
            answer = ask(server, f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            name = f"{'by -e' if words else 'by the environment'}, {path}"
            facts[f"{name}: status"] = answer and answer.status
            if answer and answer.status == 200:
                told = shown(server, answer)
                facts.update({f"{name}: {key}": told[key] for key in ("SCRIPT_NAME", "PATH_INFO")})
    return facts


@story
def what_an_answer_looks_like(subject):
    subject.write("""
import sys
def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raises":
        raise RuntimeError("no")
    if path == "/late":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return iter([b"a", b"b"])
    if path == "/own":
        start_response("200 OK", [("Server", "mine"), ("Date", "never"), ("Connection", "close"), ("Content-Length", "1")])
        return [b"x"]
    if path == "/204":
        start_response("204 No Content", [])
        return []
    if path == "/304":
        start_response("304 Not Modified", [("ETag", "x")])
        return []
    if path == "/twice":
        start_response("200 OK", [("Content-Length", "2")])
        try:
            start_response("404 Not Found", [("Content-Length", "2")], None)
        except Exception as error:
            environ["wsgi.errors"].write("told: %s\\n" % type(error).__name__)
        return [b"ok"]
    if path == "/longer":
        start_response("200 OK", [("Content-Length", "2")])
        return [b"okay"]
    if path == "/cookies":
        start_response("200 OK", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Content-Length", "0")])
        return []
    start_response("299 My Reason", [("Content-Length", "2"), ("X-Mixed-Case", "Kept")])
    return [b"ok"]
""")
    server = subject.start("app:app")
    server.wait_serving()
    facts = {}
    for path in ("/", "/raises", "/late", "/own", "/204", "/304", "/twice", "/longer", "/cookies"):
        for version in ("1.1", "1.0"):
            answer = ask(server, f"GET {path} HTTP/{version}\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            name = f"{path} in HTTP/{version}"
            facts[f"{name}: status"] = answer and f"{answer.status} {answer.reason}"
            if not answer or answer.status == 500:
                continue
            facts[f"{name}: body"] = answer.body.decode()
            facts[f"{name}: version"] = answer.version
            for field, value in sorted((field.title(), value) for field, value in answer.headers):
                if field in ("Date", "Server") and path != "/own":
                    value = "present"
                # Twice of the same is one fact: in their order.
                facts[f"{name}: {field}"] = f"{facts.get(f'{name}: {field}', '')}{value};"
    server.log.wait("RuntimeError: no")
    facts["the traceback is logged"] = True
    return facts

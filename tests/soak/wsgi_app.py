"""The soak's WSGI app: each path exercises another part of the server."""

import io
import time


def app(environ, start_response):
    return PATHS.get(environ["PATH_INFO"], hello)(environ, start_response)


def answer(start_response, body):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def hello(environ, start_response):
    return answer(start_response, b"hello")


def echo(environ, start_response):
    size = 0
    while block := environ["wsgi.input"].read(16_384):
        size += len(block)
    return answer(start_response, b"%d" % size)


def stream(environ, start_response):
    start_response("200 OK", [])
    for _ in range(40):
        yield b"x" * 10_000


def large(environ, start_response):
    return answer(start_response, b"0123456789" * 300_000)


def written(environ, start_response):
    write = start_response("200 OK", [])
    for _ in range(40):
        write(b"x" * 10_000)
    return []


def file(environ, start_response):
    start_response("200 OK", [])
    return environ["wsgi.file_wrapper"](io.BytesIO(b"x" * 400_000))


def sleep(environ, start_response):
    time.sleep(0.02)
    return answer(start_response, b"slept")


def raise_early(environ, start_response):
    raise RuntimeError("asked for")


def raise_late(environ, start_response):
    start_response("200 OK", [])
    yield b"x" * 100
    raise RuntimeError("asked for")


PATHS = {"/echo": echo, "/stream": stream, "/large": large, "/written": written, "/file": file, "/sleep": sleep, "/raise": raise_early, "/cut": raise_late}

"""WSGI applications without a framework: what is measured is the server."""

HELLO = b"Hello, world!"
TEN_KB = b"0123456789abcdef" * 640


def fixed(body):
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]

    def app(environ, start_response):
        start_response("200 OK", headers[:])
        return [body]

    return app


hello = fixed(HELLO)
ten_kb = fixed(TEN_KB)


def echo(environ, start_response):
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]

"""Waits if the request says so, and reports when it is interrupted."""

import time


def in_the_app():
    with open("waiting", "a") as file:
        file.write("x")
    try:
        for _ in range(600):
            time.sleep(0.1)
    finally:
        print("interrupted", flush=True)


def app(environ, start_response):
    if environ["PATH_INFO"] == "/wait":
        in_the_app()
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]

"""Flask and Django REST framework, as their users meet them."""

import json
import os

import httpx
import pytest

from harness.place import ROOT

FLASK = (ROOT / "examples" / "flask_app.py").read_text() + """

import io, os
from flask import abort, jsonify, request, send_file, session, stream_with_context

app.secret_key = "key of a test"
app.config["MAX_CONTENT_LENGTH"] = 50_000_000

@app.get("/file")
def file():
    return send_file(__file__, mimetype="text/x-python")

@app.get("/memory")
def memory():
    return send_file(io.BytesIO(b"in memory" * 1000), mimetype="text/plain", download_name="m.txt")

@app.get("/count")
def count():
    session["count"] = session.get("count", 0) + 1
    return jsonify(session["count"])

@app.post("/upload")
def upload():
    return jsonify({name: len(file.read()) for name, file in request.files.items()})

@app.post("/raw")
def raw():
    return jsonify(len(request.get_data()))

@app.get("/context")
def context():
    @stream_with_context
    def lines():
        yield request.path
        yield " "
        yield request.args["x"]
    return lines()

@app.get("/fail")
def fail():
    app.logger.warning("about to fail")
    raise RuntimeError("this view fails")

@app.get("/url")
def url():
    return jsonify(url=request.url, remote=request.remote_addr, headers=dict(request.headers), environ_type=type(request.environ).__name__)

@app.teardown_request
def teardown(error):
    print("teardown", request.path, type(error).__name__, flush=True)
"""

DRF = """
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="key of a test", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, USE_TZ=True, MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}},
    REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": [], "UNAUTHENTICATED_USER": None},
)
django.setup()

import threading

from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.urls import path
from rest_framework import serializers
from rest_framework.parsers import FileUploadParser, JSONParser, MultiPartParser
from rest_framework.response import Response
from rest_framework.views import APIView

seen = {"started": 0, "finished": 0, "threads": set(), "wrong": 0}
begun = {}

def started(**_):
    seen["started"] += 1
    begun[threading.get_ident()] = True

def finished(**_):
    seen["finished"] += 1
    if not begun.pop(threading.get_ident(), False):
        seen["wrong"] += 1

request_started.connect(started)
request_finished.connect(finished)

class Item(serializers.Serializer):
    name = serializers.CharField(max_length=10)
    price = serializers.DecimalField(max_digits=6, decimal_places=2)

class Items(APIView):
    def get(self, request):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 40 + 2")
            return Response({"answer": cursor.fetchone()[0], "query": request.query_params})

    def post(self, request):
        item = Item(data=request.data)
        item.is_valid(raise_exception=True)
        return Response(item.data, status=201)

    def delete(self, request):
        return Response(status=204)

class Upload(APIView):
    parser_classes = [MultiPartParser, FileUploadParser]

    def put(self, request, name=None):
        return Response({"size": request.data["file"].size})

class Signals(APIView):
    def get(self, request):
        return Response({"started": seen["started"], "finished": seen["finished"], "wrong": seen["wrong"]})

urlpatterns = [path("items/", Items.as_view()), path("upload/<name>", Upload.as_view()), path("signals/", Signals.as_view())]
app = application = get_wsgi_application()
"""


def client(server):
    return httpx.Client(base_url=server.origin, timeout=20)


@pytest.fixture
def flask(app, serve):
    pytest.importorskip("flask")
    app.write(FLASK)
    server = serve(None, "--threads", "2")
    with client(server) as browser:
        browser.server = server
        yield browser


def test_flask(flask):
    assert flask.get("/").text == "Hello from Flask"
    assert flask.get("/stream").text == "".join(f"line {number}\n" for number in range(5))
    assert flask.get("/nowhere").status_code == 404
    assert [flask.get("/count").json() for _ in range(3)] == [1, 2, 3]
    assert flask.get("/context?x=%C3%A9").text == "/context \u00e9"
    found = flask.get("/url?a=b", headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}).json()
    assert found["url"].startswith("https://127.0.0.1") and found["remote"] == "203.0.113.9" and found["environ_type"] == "dict"


@pytest.mark.parametrize("size", [5, 100_000, 3_000_000])
def test_flask_forms_and_uploads(flask, size):
    data = os.urandom(size)
    assert flask.post("/upload", files={"one": data, "two": b"22"}).json() == {"one": size, "two": 2}
    assert flask.post("/raw", content=data).json() == size
    # Without a length: httpx sends chunks.
    assert flask.post("/raw", content=iter([data[: size // 2], data[size // 2 :]])).json() == size
    assert flask.post("/upload", data={"a": "b"}).json() == {}
    assert flask.post("/raw", content=b"x" * 60_000_000).status_code == 413


def test_flask_files(flask, app):
    text = (app.path / "app.py").read_bytes()
    answer = flask.get("/file")
    assert answer.content == text and int(answer.headers["content-length"]) == len(text)
    assert flask.get("/file", headers={"Range": "bytes=10-19"}).content == text[10:20]
    assert flask.get("/file", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert flask.head("/file").headers["content-length"] == str(len(text))
    assert flask.get("/memory").content == b"in memory" * 1000


def test_flask_errors_reach_the_log(flask):
    assert flask.get("/fail").status_code == 500
    flask.server.log.wait("about to fail")
    flask.server.log.wait("RuntimeError: this view fails")
    flask.server.log.wait("teardown /fail RuntimeError")


@pytest.fixture
def drf(app, serve):
    pytest.importorskip("rest_framework")
    app.write(DRF)
    with client(serve(None, "--threads", "3")) as browser:
        yield browser


def test_django_rest_framework(drf):
    assert drf.get("/items/?a=1").json() == {"answer": 42, "query": {"a": "1"}}
    assert drf.post("/items/", json={"name": "tea", "price": "2.50"}).json() == {"name": "tea", "price": "2.50"}
    wrong = drf.post("/items/", json={"name": "much too long a name", "price": "x"})
    assert wrong.status_code == 400 and set(wrong.json()) == {"name", "price"}
    assert drf.post("/items/", content=b"{broken", headers={"Content-Type": "application/json"}).status_code == 400
    assert drf.delete("/items/").status_code == 204
    assert drf.patch("/items/").status_code == 405
    assert drf.options("/items/").json()["parses"]
    assert drf.put("/upload/x.bin", content=b"y" * 200_000, headers={"Content-Type": "application/octet-stream", "Content-Disposition": "attachment; filename=x.bin"}).json() == {"size": 200_000}


def test_chunked_json_reaches_django(drf):
    body = json.dumps({"name": "tea", "price": "2.50"}).encode()
    answer = drf.post("/items/", content=iter([body[:5], body[5:]]), headers={"Content-Type": "application/json"})
    assert answer.status_code == 201, answer.text


def test_requests_begin_and_end_in_one_thread(drf):
    """What Django does at the end of a request (closing the thread's database connections) hangs on it."""
    import concurrent.futures

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert all(answer.status_code == 200 for answer in pool.map(lambda _: drf.get("/items/"), range(100)))
    found = drf.get("/signals/").json()
    assert found["wrong"] == 0 and found["started"] == found["finished"] + 1

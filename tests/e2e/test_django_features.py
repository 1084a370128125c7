"""What Django expects of its server beyond requests and responses: threads that keep their connections, views that are notified of disconnects."""

import json

import pytest
from harness.waiting import eventually

django = pytest.importorskip("django")

SITE = """
import asyncio, os, threading
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="x", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=[],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3", "CONN_MAX_AGE": %s}},
)
django.setup()
from django.core.asgi import get_asgi_application
from django.core.signals import request_finished
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.db.backends.signals import connection_created
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

opened, finished, cancelled = [], [], []
connection_created.connect(lambda **about: opened.append(1), weak=False)
request_finished.connect(lambda **about: finished.append(1), weak=False)

def counts(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"opened": len(opened), "finished": len(finished), "cancelled": len(cancelled), "thread": threading.get_ident()})

async def slow(request):
    open("slow", "w").close()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        cancelled.append(1)
        raise

async def endless(request):
    async def pieces():
        try:
            while True:
                yield b"piece\\n"
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            cancelled.append(1)
            raise
    return StreamingHttpResponse(pieces())

urlpatterns = [path("counts/", counts), path("slow/", slow), path("endless/", endless)]
application = get_wsgi_application()
app = get_asgi_application()
"""


@pytest.mark.parametrize(("age", "threads"), [("None", 1), ("None", 3), ("600", 3), ("0", 2)])
def test_connections_stay_with_their_threads(serve, app, age, threads):
    """CONN_MAX_AGE: a request runs in a thread that lives on, from its start to its end."""
    app.path.joinpath("app.py").write_text(SITE % age)
    server = serve(None, "--threads", threads, spec="app:application")
    clients = [server.connect() for _ in range(threads)]
    for _ in range(10):
        for client in clients:
            client.request(target="/counts/")
        answers = [json.loads(client.response().body) for client in clients]
    for client in clients:
        client.close()
    last = max(answers, key=lambda answer: answer["opened"])
    if age == "0":
        assert last["opened"] == 10 * threads
    else:
        assert last["opened"] <= threads
    # Notified of each of them, where its response has ended.
    eventually(lambda: json.loads(server.get("/counts/").body)["finished"] >= 10 * threads, "every request was finished")


@pytest.mark.both_loops
@pytest.mark.skipif(django.VERSION < (5, 0), reason="Django 5 listens for the disconnect")
@pytest.mark.parametrize("target", ["/slow/", "/endless/"])
def test_a_view_whose_client_leaves_is_cancelled(serve, app, target):
    app.path.joinpath("app.py").write_text(SITE % 0)
    server = serve(None)
    with server.connect() as client:
        client.request(target=target)
        if target == "/endless/":
            client.read(100)
        else:
            eventually((app.path / "slow").exists, "the view runs")
    eventually(lambda: json.loads(server.get("/counts/").body)["cancelled"] == 1, "the view was cancelled")
    assert not server.log.find("Traceback")

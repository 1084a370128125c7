"""The Django example, as a user's browser and an operator's probe see it."""

import hashlib
import os
import re
import signal

import httpx
import pytest

from harness.load import Load
from harness.place import SITE
from harness.server import Server
from harness.waiting import eventually

pytestmark = [pytest.mark.both_artifacts, pytest.mark.both_loops]


@pytest.fixture(scope="module")
def spec(pytestconfig):
    return f"config.{pytestconfig.getoption('--interface')}:application"


@pytest.fixture
def django(launch, site, spec):
    def start(*options, workers=2):
        server = launch(spec, "-w", workers, "--ready-path", "/healthz", *options, directory=SITE, env=site)
        server.wait_ready(workers, timeout=30)
        return server

    return start


@pytest.fixture(scope="module")
def shared(program, site, pytestconfig, spec):
    """One server for the stories that do not end it."""
    options = ["-w", "2", "--ready-path", "/healthz", "--loop", pytestconfig.getoption("--loop")]
    with Server(program, SITE, spec, *options, env=site) as server:
        server.wait_ready(2, timeout=30)
        yield server


@pytest.fixture
def browser(shared):
    with httpx.Client(base_url=shared.origin, follow_redirects=True, timeout=20) as client:
        client.server, client.mark = shared, shared.log.mark()
        yield client


def token(response):
    return re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', response.text).group(1)


@pytest.mark.wheel
def test_pages_and_probes(browser):
    assert "Django on rgun" in browser.get("/").text
    assert browser.get("/healthz").text == "ok"
    assert browser.get("/nowhere").status_code == 404


@pytest.mark.wheel
def test_sync_view(browser):
    found = browser.get("/sync/?a=%C3%A9").json()
    assert found["kind"] == "sync" and found["full_path"] == "/sync/?a=%C3%A9" and found["client"] == "127.0.0.1"
    assert found["pid"] in browser.server.ready_pids()


@pytest.mark.wheel
def test_async_view(browser):
    assert browser.get("/async/").json()["kind"] == "async"


@pytest.mark.wheel
def test_login_to_the_admin_and_write(browser):
    page = browser.get("/admin/")
    assert "Log in" in page.text
    page = browser.post("/admin/login/?next=/admin/", data={"username": "admin", "password": "secret", "csrfmiddlewaretoken": token(page)})
    assert "Site administration" in page.text
    form = browser.get("/admin/pages/note/add/")
    page = browser.post("/admin/pages/note/add/", data={"text": "from the admin", "csrfmiddlewaretoken": token(form)})
    assert page.status_code == 200 and "from the admin" in page.text


@pytest.mark.wheel
def test_a_form_without_its_token_is_refused(browser):
    assert browser.post("/notes/", data={"text": "forged"}).status_code == 403


def test_a_form_writes(browser):
    form = browser.get("/notes/")
    page = browser.post("/notes/", data={"text": "caf\u00e9 & more", "csrfmiddlewaretoken": token(form)})
    assert page.history[0].status_code == 302 and "caf\u00e9 &amp; more" in page.text


@pytest.mark.wheel
@pytest.mark.parametrize("size", [10, 100_000, 5_000_000])
def test_upload_and_download(browser, size):
    data = os.urandom(size)
    form = browser.get("/upload/")
    answer = browser.post("/upload/", data={"title": "t", "csrfmiddlewaretoken": token(form)}, files={"file": ("data.bin", data)})
    assert answer.status_code == 201, answer.text[:500]
    assert answer.json()["sha256"] == hashlib.sha256(data).hexdigest()
    fetched = browser.get(f"/documents/{answer.json()['id']}/")
    assert fetched.content == data and "attachment" in fetched.headers["content-disposition"]
    assert int(fetched.headers["content-length"]) == size


@pytest.mark.wheel
@pytest.mark.parametrize("target", ["/stream/", "/stream/async/"])
def test_streams(browser, target):
    text = browser.get(target, params={"lines": 1000}).text
    assert text == "".join(f"line {number}\n" for number in range(1000))


@pytest.mark.wheel
def test_session(browser):
    assert [browser.get("/visits/").json()["visits"] for _ in range(3)] == [1, 2, 3]


@pytest.mark.wheel
def test_static_file(browser):
    link = re.search(r'href="(/static/[^"]+\.css)"', browser.get("/").text).group(1)
    found = browser.get(link)
    assert found.status_code == 200 and "text/css" in found.headers["content-type"]
    assert "immutable" in found.headers["cache-control"]
    assert browser.head(link).headers["content-length"]


@pytest.mark.wheel
def test_failing_view_is_a_500_and_the_worker_lives(browser):
    assert browser.get("/fail/").status_code == 500
    assert browser.get("/healthz").status_code == 200
    assert not browser.server.log.find("worker died")


def test_foreign_host_is_refused_by_django(browser):
    assert browser.get("/", headers={"Host": "evil.example"}).status_code == 400


def test_ready_path_with_a_host_for_allowed_hosts(launch, site, spec):
    server = launch(
        spec, "--ready-path", "/healthz", "--ready-host", "shop.example",
        directory=SITE, env={**site, "ALLOWED_HOSTS": "shop.example"},
    )
    server.wait_ready(timeout=30)
    with server.connect() as client:
        assert client.get("/healthz", host="shop.example").status == 200


def test_lifespan_that_django_does_not_know_is_not_told(browser):
    assert not browser.server.log.find("(?i)lifespan|Traceback")


@pytest.mark.wheel
def test_a_client_that_leaves_ends_the_view(browser):
    """Django listens for the disconnect while an async view runs; nothing may be left behind."""
    with browser.server.connect() as client:
        client.request(target="/stream/async/?lines=100000", host="localhost")
        client.read(1000)
    assert browser.get("/healthz").status_code == 200
    assert not browser.server.log.find("Traceback", after=browser.mark)


def test_reload_under_load(django):
    server = django()
    with Load(server, clients=3, path="/sync/") as load:
        load.flows(30)
        for _ in range(2):
            assert "succeeded" in server.reload(timeout=30).string
            load.flows(30)
    load.assert_nothing_failed()


def test_graceful_end(django):
    server = django()
    with Load(server, clients=2, path="/async/") as load:
        load.flows(20)
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
        eventually(lambda: load.failures["refused"], "the clients notice")
    load.stop()
    assert set(load.failures) == {"refused"}, load.details[:5]

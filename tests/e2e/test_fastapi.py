"""The FastAPI example."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

pytestmark = [pytest.mark.both_loops]

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.fixture
def browser(launch):
    server = launch("fastapi_app:app", "-w", "1", directory=EXAMPLES)
    server.wait_ready()
    with httpx.Client(base_url=server.origin, timeout=20) as client:
        yield client


@pytest.mark.both_artifacts
def test_json(browser):
    assert browser.get("/").json() == {"hello": "world"}


def test_validation_and_state(browser):
    assert browser.put("/items/1", json={"name": "tea", "price": -1}).status_code == 422
    assert browser.put("/items/1", json={"name": "tea", "price": 2.5, "tags": ["hot"]}).status_code == 201
    assert browser.get("/items/1", params={"q": "x y"}).json() == {"item": {"name": "tea", "price": 2.5, "tags": ["hot"]}, "q": "x y"}
    assert browser.get("/items/2").status_code == 404


def test_plain_functions_run_in_threads(browser):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: browser.get("/threaded").json(), range(50)))
    assert answers == [{"threaded": True}] * 50


def test_file_upload(browser):
    data = bytes(range(256)) * 8000
    found = browser.post("/files", files={"file": ("a.bin", data)}).json()
    assert found == {"name": "a.bin", "sha256": hashlib.sha256(data).hexdigest()}


def test_generated_documentation(browser):
    assert "FastAPI on rgun" in browser.get("/docs").text
    assert browser.get("/openapi.json").json()["info"]["title"] == "FastAPI on rgun"

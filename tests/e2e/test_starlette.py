"""The Starlette example."""

from pathlib import Path

import httpx
import pytest

pytestmark = [pytest.mark.both_loops]

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.fixture
def browser(launch):
    server = launch("starlette_app:app", "-w", "1", directory=EXAMPLES)
    server.wait_ready()
    with httpx.Client(base_url=server.origin, timeout=20) as client:
        client.server = server
        yield client


@pytest.mark.both_artifacts
def test_state_of_the_lifespan(browser):
    assert browser.get("/").text == "Hello from the lifespan"


def test_streamed_request(browser):
    assert browser.post("/echo", content=(b"x" * 1000 for _ in range(100))).json() == {"size": 100_000}


def test_streamed_response(browser):
    assert browser.get("/stream").text == "".join(f"line {number}\n" for number in range(5))


def test_background_task_runs_after_the_response(browser):
    from harness.waiting import eventually

    assert browser.get("/job").json() == {"before": 0}
    eventually(lambda: browser.get("/job").json()["before"] >= 1, "the job was done")


def test_unknown_route(browser):
    assert browser.get("/nowhere").status_code == 404
    assert browser.put("/").status_code == 405


def test_a_client_that_leaves_a_stream_is_no_error(browser):
    for _ in range(5):
        with browser.server.connect() as client:
            client.request(target="/stream")
            client.read(20)
            client.reset()
    assert browser.get("/").status_code == 200
    assert not browser.server.log.find("Traceback")

"""What `send()` does, number by number."""

import json
import time

import pytest

from harness.response import Cut, NoResponse
from harness.waiting import eventually, stays

pytestmark = [pytest.mark.both_loops]


def cut(probe, target):
    """A response that must not look complete."""
    with probe.connect() as client:
        client.request(target=target)
        with pytest.raises(Cut):
            client.response()


def tracebacks(probe, mark):
    return len(probe.log.find(r"Traceback \(most recent call last\)", after=mark))


def logged_once(probe, mark, text):
    # The answer is there before the log.
    probe.log.wait(text, after=mark)
    eventually(lambda: tracebacks(probe, mark), "a traceback")
    stays(lambda: tracebacks(probe, mark) <= 1, "one traceback", 0.1)
    assert len(probe.log.find(text, after=mark)) >= 1 and tracebacks(probe, mark) == 1


def alive(probe):
    assert probe.get("/one-message").text == "whole"
    assert not probe.log.find("worker died")


def test_asgi_006_wrong_events_raise(probe):
    found = json.loads(probe.get("/wrong-events").body)
    accepted = [name for name, error in found.items() if error is None]
    assert not accepted, f"accepted: {accepted}"


def test_asgi_006_sends_that_are_gathered_fail_one_by_one(probe):
    """The error comes out of the `await`: a broadcast with `return_exceptions` reaches the others."""
    response = probe.get("/gathers")
    assert response.text == "gathered"
    assert json.loads(response.header("x-found")) == ["RuntimeError", "TypeError"]


def test_asgi_007_unknown_keys_are_no_error(probe):
    assert probe.get("/extra-keys").text == "extra"


def test_asgi_060_optional_keys(probe):
    response = probe.get("/few-keys")
    assert (response.status, response.body) == (200, b"")


def test_asgi_060_headers_may_be_an_iterator(probe):
    response = probe.get("/header-iterator")
    assert response.header("x-first") == "1" and response.header("x-second") == "2"
    assert response.framing == "length" and response.body == b"ok"


def test_asgi_061_header_order_is_kept(probe):
    response = probe.get("/header-order")
    ours = [(name, value) for name, value in response.headers if name.lower() in ("set-cookie", "x-a", "x-b")]
    assert [(name.lower(), value) for name, value in ours] == [
        ("set-cookie", "a=1"), ("x-a", "1"), ("set-cookie", "b=2"), ("x-b", "\xe9\xff"), ("set-cookie", "c=3"),
    ]


def test_asgi_062_no_header_injection(probe):
    found = json.loads(probe.get("/wrong-events").body)
    for name in ("newline in value", "newline in name", "nul in value", "pseudo header", "space in name", "empty name"):
        assert found[name], name


def test_asgi_063_framing_is_the_servers(probe):
    response = probe.get("/own-framing")
    assert response.text == "framed"
    assert response.all("transfer-encoding") in ([], ["chunked"])
    assert "upgrade" not in ",".join(response.all("connection")).lower()


def test_asgi_064_without_length_it_is_chunked(probe):
    response = probe.get("/two-messages")
    assert (response.framing, response.text) == ("chunked", "first second")


def test_asgi_064_without_length_in_http10_the_end_closes(probe):
    with probe.connect() as client:
        response = client.get("/two-messages", version="1.0")
    assert (response.framing, response.text) == ("close", "first second")


def test_asgi_064_declared_length_is_used(probe):
    response = probe.get("/declared")
    assert (response.framing, response.text) == ("length", "first second")


def test_asgi_065_a_whole_body_gets_its_length(probe):
    response = probe.get("/one-message")
    assert (response.framing, response.header("content-length")) == ("length", "5")


def test_asgi_066_a_failure_between_start_and_body_is_a_500(probe):
    mark = probe.log.mark()
    assert probe.get("/raise-between").status == 500
    logged_once(probe, mark, "ValueError: raised between")


def test_asgi_067_what_send_has_taken_is_on_its_way_when_it_returns(probe):
    gate = probe.directory / "open"
    try:
        with probe.connect() as client:
            client.request(target="/blocks-after-part")
            assert client.head().status == 200
            assert client.chunk() == b"first"
            gate.touch()
            assert (client.chunk(), client.chunk()) == (b"second", b"")
    finally:
        gate.touch()
        eventually(lambda: probe.get("/one-message").status == 200, "the loop goes on")
        gate.unlink()


def test_asgi_067_send_waits_for_a_client_that_reads_nothing(probe):
    mark = probe.log.mark()
    with probe.connect() as client:
        client.request(target="/sends-without-end")
        sent = int(probe.log.wait(r"send waits after (\d+) KiB", after=mark).group(1))
        assert sent < 64 * 1024, "what waits is bounded"
    alive(probe)


def test_asgi_068_nothing_is_written_after_the_end(probe):
    mark = probe.log.mark()
    with probe.connect() as client:
        assert client.get("/after-end").text == "end"
        probe.log.wait("after the end", after=mark)
        assert client.get("/one-message").text == "whole"


@pytest.mark.parametrize("target", ["/one-message", "/two-messages", "/declared"])
def test_asgi_069_head_has_the_headers_and_no_body(probe, target):
    expected = probe.get(target)
    with probe.connect() as client:
        client.request("HEAD", target)
        response = client.response("HEAD")
        assert response.status == 200
        assert response.header("content-length") == expected.header("content-length")
        assert client.get("/one-message").text == "whole", "no byte of a body was sent"


@pytest.mark.parametrize("code", [204, 304])
def test_asgi_070_no_body_with(probe, code):
    with probe.connect() as client:
        client.request(target=f"/status?code={code}&body=text")
        response = client.response()
        assert response.status == code and response.header("transfer-encoding") is None
        if code == 204:
            assert response.header("content-length") is None
        assert client.get("/one-message").text == "whole"


def test_asgi_070_304_may_tell_a_length(probe):
    with probe.connect() as client:
        assert client.get("/status?code=304&length=77").header("content-length") == "77"
        assert client.get("/one-message").text == "whole"


def test_asgi_071_never_more_than_declared(probe):
    mark = probe.log.mark()
    with probe.connect() as client:
        client.request(target="/too-long")
        data = b""
        try:
            data = client.rest()
        except OSError:
            pass
    assert data.count(b"HTTP/1.1") <= 1, "the excess became a response"
    error = probe.log.wait(r"too long: (\w+)", after=mark).group(1)
    assert error != "None"
    alive(probe)


def test_asgi_072_less_than_declared_is_cut(probe):
    cut(probe, "/too-short-stream")
    alive(probe)


def test_asgi_072_less_than_declared_in_one_message_is_a_500(probe):
    """Nothing has left yet: the client gets an answer instead of half of one."""
    assert probe.get("/too-short").status == 500
    alive(probe)


@pytest.mark.parametrize("target", ["/raise-before", "/nothing", "/raise-exit"])
def test_asgi_073_no_response_is_a_500(probe, target):
    assert probe.get(target).status == 500
    alive(probe)


def test_asgi_010_an_exception_is_logged_once_with_its_request(probe):
    mark = probe.log.mark()
    assert probe.get("/raise-before?a=1").status == 500
    probe.log.wait(r"exception in app.*GET /raise-before", after=mark)
    logged_once(probe, mark, "ValueError: raised before the start")


def test_asgi_010_a_cancellation_that_an_app_lets_out_is_logged(probe):
    mark = probe.log.mark()
    assert probe.get("/cancels-itself").status == 500
    probe.log.wait(r"exception in app.*GET /cancels-itself", after=mark)
    logged_once(probe, mark, "CancelledError")
    alive(probe)


def test_asgi_073_start_without_body_is_not_a_success(probe):
    with probe.connect() as client:
        client.request(target="/start-only")
        try:
            assert client.response().status == 500
        except (Cut, NoResponse):
            pass
    alive(probe)


@pytest.mark.parametrize("target", ["/half", "/raise-within"])
def test_asgi_074_half_a_response_is_visibly_cut(probe, target):
    cut(probe, target)
    alive(probe)


def test_asgi_008_an_exception_after_the_end_hurts_nobody(probe):
    mark = probe.log.mark()
    assert probe.get("/raise-after").text == '"whole"'
    logged_once(probe, mark, "ValueError: raised after the end")
    alive(probe)


def test_asgi_075_and_076_send_raises_oserror_when_the_client_has_left_and_the_version_says_so(probe):
    """From 2.4 on, Starlette does not listen for the disconnect any more."""
    version = json.loads(probe.get("/scope").body)["scope"]["asgi"]["spec_version"]
    assert tuple(map(int, version.split("."))) >= (2, 4)
    mark = probe.log.mark()
    with probe.connect() as client:
        client.request(target="/send-after-disconnect")
        probe.log.wait("waiting for the client to leave", after=mark)
    found = probe.log.wait(r"send after disconnect: (.*)", after=mark).group(1)
    assert found.count("OSError") == 2, found


def test_asgi_009_the_servers_own_oserror_is_not_an_error(probe):
    mark = probe.log.mark()
    with probe.connect() as client:
        client.request(target="/lets-oserror-out")
        probe.log.wait("sending", after=mark)
    probe.log.wait("ended by an error", after=mark)
    alive(probe)
    assert not tracebacks(probe, mark)


def test_asgi_082_no_flood_of_log_lines(probe):
    mark = probe.log.mark()
    with probe.connect() as client:
        client.request(target="/keeps-sending")
        probe.log.wait("sending", after=mark)
    probe.log.wait("gave up", after=mark)
    assert probe.log.mark() - mark < 10


def test_asgi_078_work_goes_on_after_the_response(probe):
    mark = probe.log.mark()
    gate = probe.directory / "open"
    with probe.connect() as client:
        assert client.get("/background").status == 200
        assert client.get("/one-message").text == "whole", "the connection does not wait for it"
    gate.touch()
    probe.log.wait("background work is done", after=mark)
    gate.unlink()


def test_asgi_079_a_returned_value_is_told(probe):
    assert probe.get("/return-value").text == '"whole"'
    alive(probe)


def test_asgi_080_bytes_like_bodies(probe):
    assert probe.get("/buffers").text == "array view"


def test_asgi_155_trailers_only_for_who_wants_them(probe):
    if "http.response.trailers" not in json.loads(probe.get("/extensions").body):
        return  # not offered, so nothing is promised
    with probe.connect() as client:
        wanted = client.get("/trailers", [("TE", "trailers")])
        assert wanted.trailers == [("x-sum", "42")]
        assert client.get("/trailers").trailers == []


def test_http_010_date_and_server_are_sent_once(probe):
    for target in ("/one-message", "/raise-before", "/status?code=204"):
        response = probe.get(target)
        assert time.strptime(response.header("date"), "%a, %d %b %Y %H:%M:%S GMT")
        response.header("server")

"""PEP 3333, number by number: start_response, write and the iterable."""

import pytest

from harness.response import Cut, NoResponse
from harness.waiting import eventually
from harness.wsgi_probe import another, probe  # fixtures


def test_wsgi_030_status_and_reason_are_kept(probe):
    response = probe.get("/odd-status")
    assert (response.status, response.reason) == (299, "Rather Odd (really)")
    for line in ("200 OK", "201 Made It", "404 Not Found", "599 Whatever", "200 "):
        response = probe.get("/status?" + line.replace(" ", "+"))
        assert f"{response.status} {response.reason}" == line


def test_wsgi_030_arguments_may_be_given_by_name(probe):
    """PEP 3333 does not require it, but middlewares pass `exc_info=` and servers accept it."""
    with probe.connect() as client:
        response = client.post("/keywords", b"one\ntwo\n")
    assert (response.status, response.text) == (418, "one\ntwo\n")
    assert response.header("x-new") == "1" and response.header("x-old") is None


def test_wsgi_030_and_031_wrong_calls_are_errors_that_name_the_type(probe):
    found = probe.json("/wrong-calls")
    assert found.pop("right") is None
    accepted = [name for name, error in found.items() if error is None]
    assert not accepted
    for name, part in {
        "bytes status": "status must be str, not bytes", "int status": "not int", "str headers": "not str", "dict headers": "not dict",
        "none headers": "not NoneType", "bytes name": "header name must be str, not bytes", "bytes value": "\"a\" must be str, not bytes",
        "int value": "\"Content-Length\" must be str, not int", "none value": "not NoneType", "triple": "pair", "no pair": "not str",
        "beyond latin-1": "latin-1", "twice": "second time",
    }.items():
        assert part in found[name], (name, found[name])
    assert {found[name].split(":")[0] for name in ("bytes status", "int value", "none headers")} == {"TypeError"}


def test_wsgi_031_headers_arrive_as_given(probe):
    response = probe.get("/latin1-headers")
    assert response.reason == "Caf\xe9"
    ours = [pair for pair in response.headers if pair[0].lower() in ("x-name", "set-cookie", "x-b")]
    assert ours == [("X-Name", "\xe9\xff"), ("Set-Cookie", "a=1"), ("x-B", "2"), ("Set-Cookie", "b=2")]


def test_wsgi_032_hop_by_hop_headers_are_dropped_and_that_is_said(probe):
    mark = probe.log.mark()
    with probe.connect() as client:
        for _ in range(2):
            response = client.get("/hop-by-hop")
            assert response.text == "framed" and response.framing == "length"
            for name in ("transfer-encoding", "keep-alive", "te", "upgrade"):
                assert not response.all(name), name
    for name in ("Transfer-Encoding", "Keep-Alive", "TE"):
        probe.log.wait(rf"hop-by-hop.*{name}\b", after=mark)
        assert len(probe.log.find(rf"hop-by-hop.*name=\"?{name}\b", after=mark)) == 1


def test_wsgi_032_connection_close_is_listened_to(probe):
    with probe.connect() as client:
        assert client.get("/connection-close").closes
        assert client.ending() == "closed"


def test_wsgi_033_write(probe):
    assert probe.get("/write").text == "one two three"
    assert probe.get("/write-only").text == "written"


def test_wsgi_033_write_sends_at_once(probe):
    probe.forbid("go")
    with probe.connect() as client:
        client.request(target="/write-step")
        client.head()
        assert client.chunk() == b"first"
        probe.allow("go")
        assert client.chunk() == b"second" and client.chunk() == b""


def test_wsgi_033_write_takes_bytes_alone(probe):
    found = probe.json("/write-wrong")
    assert [error.split("not ")[-1] for error in found] == ["str", "NoneType", "int", "list"]


def test_wsgi_034_the_head_waits_for_the_first_block(probe):
    probe.forbid("go")
    with probe.connect() as client:
        client.request(target="/lonely-head")
        assert client.quiet(1.0)
        probe.allow("go")
        response = client.response()
    assert response.status == 418 and response.text == "second thoughts"
    assert response.header("x-second") and not response.header("x-first")


def test_wsgi_035_a_second_call_is_an_error(probe):
    assert "AssertionError" in probe.json("/wrong-calls")["twice"]


def test_wsgi_036_exc_info_replaces_what_was_not_sent(probe):
    response = probe.get("/exc-info-before")
    assert (response.status, response.reason, response.text) == (503, "Out of Order", "replaced")
    assert response.all("content-type") == ["text/plain"] and response.header("content-length") == "8"
    assert response.header("x-second") == "2" and not response.header("x-first")
    assert probe.get("/exc-info-first").text == "error page"
    assert probe.get("/none-exc-info").text == "fine"


def test_wsgi_036_exc_info_is_raised_when_the_head_is_out(probe):
    mark = probe.log.mark()
    with probe.connect() as client:
        client.request(target="/exc-info-after")
        with pytest.raises(Cut):
            client.response()
    probe.log.wait("raised again: too late, traceback kept: True", after=mark)
    probe.log.wait("ValueError: too late", after=mark)


def test_wsgi_037_generators_start_the_response_late(probe):
    response = probe.get("/generator")
    assert (response.status, response.header("x-late"), response.text) == (202, "yes", "ab")


def test_wsgi_038_each_block_is_out_before_the_next_is_asked_for(probe):
    probe.forbid("go0", "go1", "go2")
    with probe.connect() as client:
        client.request(target="/steps")
        client.head()
        for number in range(3):
            assert client.chunk() == b"block %d" % number
            assert client.quiet(0.05)
            probe.allow(f"go{number}")
        assert client.chunk() == b""


def test_wsgi_038_empty_blocks_are_skipped(probe):
    assert probe.get("/generator").chunks == [b"a", b"b"]


def test_wsgi_039_one_block_gets_a_length(probe):
    for path, text in (("/sized", "exactly one"), ("/write-only", "written"), ("/big?70000", "x" * 70000)):
        response = probe.get(path)
        assert response.text == text
        assert response.framing == ("chunked" if path == "/write-only" else "length")
    assert probe.get("/empty-list").header("content-length") == "0"


def test_wsgi_039_several_blocks_get_none(probe):
    response = probe.get("/list-of-three")
    assert (response.framing, response.text) == ("chunked", "123")
    with probe.connect() as client:
        response = client.get("/list-of-three", version="1.0")
    assert (response.framing, response.text) == ("close", "123")


def test_wsgi_039_a_length_of_one_that_lies_is_cut(probe):
    mark = probe.log.mark()
    assert probe.get("/sized-liar").text == "one"
    probe.log.wait("longer than its content-length", after=mark)
    assert len(probe.closed("liar")) == 1


@pytest.mark.parametrize("name", ["closing", "closing-fails", "closing-early", "closing-head", "closing-raises", "too-long", "too-short"])
def test_wsgi_040_close_is_called_once_in_the_same_thread(probe, name):
    key = {"closing": "plain", "too-long": "too_long", "too-short": "too_short"}.get(name, name.replace("closing-", ""))
    before = len(probe.closed(key))
    with probe.connect() as client:
        client.request("HEAD" if name == "closing-head" else "GET", f"/{name}")
        try:
            client.response("HEAD" if name == "closing-head" else "GET")
        except (Cut, NoResponse):
            pass
    eventually(lambda: len(probe.closed(key)) > before, "close() was called")
    assert probe.closed(key)[before:] == [[key, True]]


def test_wsgi_040_close_is_called_when_the_client_has_left(probe):
    before = len(probe.closed("gone"))
    mark = probe.log.mark()
    client = probe.connect()
    client.request(target="/closing-gone")
    probe.log.wait("stream begins", after=mark)
    client.reset()
    eventually(lambda: len(probe.closed("gone")) == before + 1, "close() was called")
    assert not probe.log.find("Traceback", after=mark)


def test_wsgi_040_an_error_in_close_is_logged_and_harms_nothing(probe):
    mark = probe.log.mark()
    assert probe.get("/closing-raises").text == "whole"
    probe.log.wait("close failed", after=mark)


@pytest.mark.parametrize("path", ["/no-start", "/no-start-empty", "/raises", "/raises-exit", "/returns-none", "/returns-str", "/returns-bare-str", "/closing-early"])
def test_wsgi_041_what_is_no_response_is_a_500(probe, path):
    mark = probe.log.mark()
    response = probe.get(path)
    assert response.status == 500 and b"Traceback" not in response.body
    probe.log.wait(r"\[ERROR\].*" + path + r"\b", after=mark)
    assert probe.get("/ignore").status == 200
    assert not probe.log.find("worker died")


def test_wsgi_041_the_log_says_what_was_wrong(probe):
    for path, said in (("/no-start", "start_response"), ("/returns-none", "NoneType"), ("/returns-str", "bytes, not str"), ("/raises", "RuntimeError: the app failed")):
        mark = probe.log.mark()
        probe.get(path)
        probe.log.wait(said, after=mark)


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_wsgi_042_an_exception_in_mid_stream_is_visible(probe, version):
    with probe.connect() as client:
        client.request(target="/closing-fails", version=version)
        with pytest.raises((Cut, ConnectionResetError)):
            client.response()


def test_wsgi_043_never_more_than_the_length(probe):
    mark = probe.log.mark()
    with probe.connect() as client:
        response = client.get("/too-long")
        assert response.body == b"1234"
        # The connection is as it should be.
        assert client.get("/ignore").text == "ignored"
        assert client.get("/write-too-much").body == b"1234"
        assert client.get("/ignore").text == "ignored"
    probe.log.wait("longer than its content-length", after=mark)
    probe.log.wait("write raised", after=mark)


def test_wsgi_043_less_than_the_length_is_cut(probe):
    mark = probe.log.mark()
    with probe.connect() as client:
        client.request(target="/too-short")
        with pytest.raises(Cut):
            client.response()
    probe.log.wait("shorter than its content-length", after=mark)


def test_wsgi_044_head_has_no_body(probe):
    with probe.connect() as client:
        for path, length in (("/ignore", "7"), ("/sized", "11"), ("/generator", None), ("/empty-list", None)):
            client.request("HEAD", path)
            response = client.response("HEAD")
            assert response.header("content-length") == length, path
        assert client.get("/ignore").text == "ignored"


def test_wsgi_044_head_of_an_endless_stream_ends(probe):
    before = len(probe.closed("head_stream"))
    with probe.connect() as client:
        client.request("HEAD", "/head-stream")
        assert client.response("HEAD").status == 200
    assert len(probe.closed("head_stream")) == before + 1


@pytest.mark.parametrize("line", ["204 No Content", "304 Not Modified"])
def test_wsgi_045_no_body_where_there_is_none(probe, line):
    with probe.connect() as client:
        response = client.get("/no-content?" + line.replace(" ", "+"))
        assert response.status == int(line[:3]) and response.header("x-kept") == "1"
        assert not response.all("content-length") and not response.all("transfer-encoding")
        assert client.get("/ignore").text == "ignored"


def test_wsgi_045_304_may_tell_the_length(probe):
    with probe.connect() as client:
        assert client.get("/not-modified").header("content-length") == "5"
        assert client.get("/ignore").text == "ignored"


def test_wsgi_048_framing_is_the_servers(probe):
    assert probe.get("/generator").framing == "chunked"
    with probe.connect() as client:
        response = client.get("/generator", version="1.0")
        assert response.framing == "close" and response.closes

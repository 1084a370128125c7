"""PEP 3333, number by number."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from harness.response import Cut, NoResponse
from harness.server import Server
from harness.waiting import eventually, stays

APPS = Path(__file__).parent / "apps"


class Probe(Server):
    """One server with `apps/wsgi_probe.py`."""

    def json(self, path, **options):
        response = self.get(path, **options)
        assert response.status == 200, (response.status, response.body)
        return json.loads(response.body)

    def environ(self, path="/environ", **options):
        return self.json(path, **options)["values"]

    def allow(self, name):
        (Path(self.directory) / name).touch()

    def forbid(self, *names):
        for name in names:
            (Path(self.directory) / name).unlink(missing_ok=True)

    def closed(self, name):
        return [entry for entry in self.json("/closed") if entry[0] == name]


def start(program, directory, *options, spec="app:app", **keywords):
    shutil.copy(APPS / "wsgi_probe.py", directory / "app.py")
    return Probe(program, directory, spec, *map(str, options), **keywords)


@pytest.fixture(scope="module")
def probe(program, tmp_path_factory):
    with start(program, tmp_path_factory.mktemp("wsgi"), "-w", "1") as server:
        server.wait_ready()
        yield server


@pytest.fixture
def another(program, tmp_path, request):
    """A server with options of its own, for one test."""
    servers = []
    request.node.servers = servers

    def launch(*options, workers=1, **keywords):
        server = start(program, tmp_path, "-w", str(workers), *options, **keywords)
        servers.append(server)
        server.wait_ready(workers)
        return server

    yield launch
    for server in servers:
        server.end()


# environ


def test_wsgi_001_environ_is_a_fresh_builtin_dict(probe):
    assert probe.json("/environ")["builtin"]
    with probe.connect() as client:
        for _ in range(3):
            assert json.loads(client.get("/fresh").body) == {"dirty": None, "same": False}


@pytest.mark.parametrize("method", ["GET", "DELETE", "PROPFIND", "M-SEARCH"])
def test_wsgi_002_method(probe, method):
    with probe.connect() as client:
        client.request(method, "/environ")
        assert json.loads(client.response(method).body)["values"]["REQUEST_METHOD"] == method


def test_wsgi_003_paths(probe):
    values = probe.environ("/a%2Fb%20c/%C3%A9?x=%20&y")
    assert values["SCRIPT_NAME"] == ""
    assert values["PATH_INFO"] == "/a/b c/\xc3\xa9"
    assert values["RAW_URI"] == values["REQUEST_URI"] == "/a%2Fb%20c/%C3%A9?x=%20&y"
    assert probe.environ("/")["PATH_INFO"] == "/"


def test_wsgi_003_invalid_utf8_in_a_path(probe):
    assert probe.environ("/%ff%00")["PATH_INFO"] == "/\xff\0"


def test_wsgi_003_absolute_form_target(probe):
    values = probe.environ("http://example.com:81/x?y=1")
    assert values["PATH_INFO"] == "/x" and values["QUERY_STRING"] == "y=1"
    assert values["HTTP_HOST"] == "example.com:81"


def test_wsgi_003_asterisk_form_target(probe):
    with probe.connect() as client:
        client.request("OPTIONS", "*")
        assert json.loads(client.response().body)["values"]["PATH_INFO"] == "*"


def test_wsgi_003_script_name_from_root_path(another):
    server = another("--root-path", "/mount")
    for path, info in (("/mount/x", "/x"), ("/x", "/x"), ("/mount", ""), ("/mountain", "/mountain")):
        values = server.environ(path)
        assert (values["SCRIPT_NAME"], values["PATH_INFO"]) == ("/mount", info), path


def test_wsgi_004_optional_variables(probe):
    values = probe.environ("/environ")
    assert values["QUERY_STRING"] == ""
    assert values.get("CONTENT_TYPE", "") == "" and values.get("CONTENT_LENGTH", "") == ""
    with probe.connect() as client:
        values = json.loads(client.post("/environ?a=b?c", b"abc", headers=[("Content-Type", "text/x")]).body)["values"]
    assert (values["QUERY_STRING"], values["CONTENT_TYPE"], values["CONTENT_LENGTH"]) == ("a=b?c", "text/x", "3")


def test_wsgi_005_server_name_and_port_are_strings(probe):
    values = probe.environ()
    assert (values["SERVER_NAME"], values["SERVER_PORT"]) == ("127.0.0.1", str(probe.port))


def test_wsgi_005_server_name_on_a_unix_socket(another):
    server = another(bind="unix:place.sock")
    for host, expected in (("example.com", ("example.com", "80")), ("example.com:8080", ("example.com", "8080")), ("[::1]", ("[::1]", "80"))):
        with server.connect() as client:
            values = json.loads(client.get("/environ", host=host).body)["values"]
        assert (values["SERVER_NAME"], values["SERVER_PORT"]) == expected
        assert values["REMOTE_ADDR"] == ""
    for host, headers, expected in (
        ("example.org", [("X-Forwarded-Proto", "https")], ("example.org", "443")), ("[::1]:8443", [("X-Forwarded-Proto", "https")], ("[::1]", "8443")),
        ("example.org:", [("X-Forwarded-Proto", "https")], ("example.org", "443")), ("example.org", [("X-Forwarded-Proto", "http")], ("example.org", "80")),
    ):
        with server.connect() as client:
            values = json.loads(client.get("/environ", host=host, headers=headers).body)["values"]
        assert (values["SERVER_NAME"], values["SERVER_PORT"]) == expected, (host, headers)
    with server.connect() as client:
        client.send(b"GET /environ HTTP/1.0\r\nX-Forwarded-Proto: https\r\n\r\n")
        values = json.loads(client.response().body)["values"]
    assert (values["SERVER_NAME"], values["SERVER_PORT"]) == ("localhost", "443")


def test_wsgi_006_protocol(probe):
    assert probe.environ()["SERVER_PROTOCOL"] == "HTTP/1.1"
    with probe.connect() as client:
        values = json.loads(client.get("/environ", version="1.0").body)["values"]
    assert values["SERVER_PROTOCOL"] == "HTTP/1.0"


def test_wsgi_007_headers_become_variables(probe):
    values = probe.environ(headers=[("X-Custom-Name", "v"), ("User-Agent", "me"), ("Content-Type", "text/y")])
    assert values["HTTP_X_CUSTOM_NAME"] == "v" and values["HTTP_USER_AGENT"] == "me" and values["HTTP_HOST"] == "localhost"
    assert values["CONTENT_TYPE"] == "text/y"
    assert "HTTP_CONTENT_TYPE" not in values and "HTTP_CONTENT_LENGTH" not in values


def test_wsgi_008_values_are_latin1_strings(probe):
    found = probe.json("/environ", headers=[("X-Name", "caf\xe9 \xff")])
    assert found["values"]["HTTP_X_NAME"] == "caf\xe9 \xff"
    wrong = {key: kind for key, kind in found["types"].items() if not key.startswith("wsgi.") and kind != "str"}
    assert not wrong


def test_wsgi_009_repeated_headers_are_joined(probe):
    values = probe.environ(headers=[("Accept", "a"), ("X-Own", "1"), ("Cookie", "a=1"), ("accept", "b"), ("x-own", "2"), ("Cookie", "b=2"), ("X-OWN", "3")])
    assert values["HTTP_ACCEPT"] == "a,b" and values["HTTP_X_OWN"] == "1,2,3" and values["HTTP_COOKIE"] == "a=1; b=2"


@pytest.mark.parametrize("order", [0, 1])
def test_wsgi_010_underscores_do_not_alias(probe, order):
    pairs = [("X-Forwarded-For", "1.1.1.1"), ("X_Forwarded_For", "6.6.6.6")]
    values = probe.environ(headers=pairs[::-1] if order else pairs)
    assert values["HTTP_X_FORWARDED_FOR"] == "1.1.1.1"


def test_wsgi_010_underscores_refused(another):
    assert another("--header-map", "refuse").get("/", headers=[("a_b", "c")]).status == 400


def test_wsgi_010_underscores_wanted(another):
    assert another("--header-map", "dangerous").environ(headers=[("a_b", "c")])["HTTP_A_B"] == "c"


def test_wsgi_011_wsgi_variables(probe):
    found = probe.json("/environ")
    values, types = found["values"], found["types"]
    assert values["wsgi.version"] == [1, 0] and types["wsgi.version"] == "tuple"
    assert values["wsgi.url_scheme"] == "http"
    assert values["wsgi.run_once"] is False
    assert {"wsgi.input", "wsgi.errors", "wsgi.multithread", "wsgi.multiprocess", "wsgi.file_wrapper"} <= set(types)


@pytest.mark.parametrize("workers, threads", [(1, 1), (2, 1), (1, 2)])
def test_wsgi_012_flags_tell_the_truth(another, workers, threads):
    values = another("--threads", threads, workers=workers).environ()
    assert values["wsgi.multiprocess"] is (workers > 1)
    assert values["wsgi.multithread"] is (threads > 1)


def test_wsgi_013_what_frameworks_rely_on(probe):
    with probe.connect() as client:
        port = client.socket.getsockname()[1]
        values = json.loads(client.get("/environ").body)["values"]
    assert (values["REMOTE_ADDR"], values["REMOTE_PORT"]) == ("127.0.0.1", str(port))
    assert values["SERVER_SOFTWARE"].startswith("rgun/")
    assert values["wsgi.input_terminated"] is True


def test_wsgi_014_no_environment_variables(another):
    values = another(env={"SECRET_OF_THE_PROCESS": "1", "HTTP_PROXY": "http://evil"}).environ()
    assert "SECRET_OF_THE_PROCESS" not in values and "HTTP_PROXY" not in values and "PATH" not in values


def test_wsgi_015_scheme_and_client_from_a_trusted_proxy(probe):
    values = probe.environ(headers=[("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "203.0.113.7")])
    assert values["wsgi.url_scheme"] == "https" and values["HTTPS"] == "on" and values["REMOTE_ADDR"] == "203.0.113.7"
    # The connection's next request has no such header, so it is none of these.
    with probe.connect() as client:
        client.get("/environ", headers=[("X-Forwarded-Proto", "https")])
        values = json.loads(client.get("/environ").body)["values"]
    assert values["wsgi.url_scheme"] == "http" and "HTTPS" not in values and values["REMOTE_ADDR"] == "127.0.0.1"


def test_wsgi_015_nobody_else_is_believed(another):
    values = another("--forwarded-allow-ips", "192.0.2.1").environ(headers=[("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "203.0.113.7")])
    assert values["wsgi.url_scheme"] == "http" and "HTTPS" not in values and values["REMOTE_ADDR"] == "127.0.0.1"


def test_wsgi_016_early_hints(probe):
    response = probe.get("/hints")
    assert [(hint.status, hint.all("link")) for hint in response.interim] == [(103, ["</style.css>; rel=preload"])]
    assert response.text == "hinted"
    with probe.connect() as client:
        assert client.get("/hints", version="1.0").interim == []


# wsgi.input and wsgi.errors

BODY = b"first\nsecond\r\nthird"
READS = {
    "all": ["first\nsecond\r\nthird"],
    "none": ["first\nsecond\r\nthird"],
    "minus": ["first\nsecond\r\nthird"],
    "sized": ["fir", "", "s", "t\nsecond\r\nthird", ""],
    "lines": ["first\n", "second\r\n", "third"],
    "hint": ["first\n"],
    "line": ["first\n", "se", "cond\r\n", "third", ""],
    "iter": ["first\n", "second\r\n", "third"],
    "buffered": ["first\nsecond\r\nthird"],
}


def chunked(body, size):
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@pytest.mark.parametrize("how", READS)
@pytest.mark.parametrize("coding", ["length", "chunked"])
def test_wsgi_020_reading(probe, how, coding):
    with probe.connect() as client:
        if coding == "length":
            response = client.post(f"/read?{how}", BODY)
        else:
            response = client.post(f"/read?{how}", chunked(BODY, 4), headers=[("Transfer-Encoding", "chunked")])
        found = json.loads(response.body)
        rest = found.pop()
        assert found == READS[how]
        assert rest == ("second\r\nthird" if how == "hint" else "")
        # Nothing of the next request was taken for the body.
        assert client.get("/ignore").text == "ignored"


def test_wsgi_020_a_request_without_a_body_has_an_empty_one(probe):
    for how, expected in (("all", [""]), ("lines", []), ("iter", []), ("line", [""] * 5)):
        assert probe.json(f"/read?{how}") == [*expected, ""]


def test_wsgi_020_pipelined_requests_are_not_read(probe):
    with probe.connect() as client:
        client.send(b"POST /read?all HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /ignore HTTP/1.1\r\nHost: a\r\n\r\n")
        assert json.loads(client.response().body) == ["abc", ""]
        assert client.response().text == "ignored"


def test_wsgi_020_lines_of_a_large_body(probe):
    lines = [b"x" * (n * 977 % 150_000) + b"\n" for n in range(40)]
    with probe.connect() as client:
        response = client.post("/line-sizes", b"".join(lines))
    assert json.loads(response.body) == [len(line) for line in lines]


def test_wsgi_020_a_chunked_body_has_a_length(probe):
    """It is decoded before the app is called, so it has one (RFC 9112 §7.1.3); Django reads no body without it."""
    with probe.connect() as client:
        response = client.post("/environ", chunked(b"abcdef", 2), headers=[("Transfer-Encoding", "chunked")])
    values = json.loads(response.body)["values"]
    assert values["CONTENT_LENGTH"] == "6" and "HTTP_TRANSFER_ENCODING" not in values


@pytest.mark.parametrize("size", [10, 60_000, 1_000_000])
def test_wsgi_021_an_unread_body_is_read_over(probe, size):
    with probe.connect() as client:
        for _ in range(3):
            response = client.post("/ignore", b"x" * size)
            assert response.text == "ignored"
            assert not response.closes


def test_wsgi_022_a_large_body_is_not_kept_in_memory(probe):
    body = os.urandom(1 << 20) * 30
    pid = probe.ready_pids()[0]

    def peak():
        status = Path(f"/proc/{pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024

    before = peak()
    with probe.connect() as client:
        found = json.loads(client.post("/digest", body).body)
    assert found == {"size": len(body), "sha256": hashlib.sha256(body).hexdigest(), "length": str(len(body))}
    assert peak() - before < 12 << 20


def test_wsgi_022_nowhere_to_keep_it(another, tmp_path):
    """Then the app reads it as it arrives, which the master logs at the start and the worker once."""
    server = another(env={"TMPDIR": str(tmp_path / "nowhere")})
    body = os.urandom(1 << 20) * 5
    for _ in range(2):
        with server.connect() as client:
            found = json.loads(client.post("/digest", body).body)
            assert found["sha256"] == hashlib.sha256(body).hexdigest()
            found = json.loads(client.post("/digest", chunked(body, 100_000), headers=[("Transfer-Encoding", "chunked")]).body)
            assert found == {"size": len(body), "sha256": hashlib.sha256(body).hexdigest(), "length": None}
    assert len(server.log.find("no temporary files.*directory=")) == 1


@pytest.mark.parametrize("sent", [b"abc", b"x" * 200_000])
def test_wsgi_023_a_truncated_body_does_not_reach_the_app(probe, sent):
    with probe.connect() as client:
        client.request("POST", "/upload", [("Content-Length", "300000")], sent)
        client.half_close()
        assert client.response().status == 400
    assert "upload" not in probe.json("/seen")


def test_wsgi_023_a_malformed_body_does_not_reach_the_app(probe):
    with probe.connect() as client:
        client.request("POST", "/upload", [("Transfer-Encoding", "chunked")], b"3\r\nabc\r\nzz\r\n")
        assert client.response().status == 400
    assert "upload" not in probe.json("/seen")


def test_wsgi_023_a_truncated_stream_is_an_oserror(another, tmp_path):
    server = another(env={"TMPDIR": str(tmp_path / "nowhere")})
    with server.connect() as client:
        client.request("POST", "/upload", [("Content-Length", "3000000")], b"x" * 2_000_000)
        client.half_close()
        server.log.wait("upload failed with an OSError")
    assert server.json("/seen")["upload"] == "ClientDisconnected"


@pytest.mark.parametrize("body", [b"3\r\nabc\r\nzz\r\n", b"3\r\nab"], ids=["malformed", "truncated"])
def test_wsgi_023_a_body_that_fails_while_the_app_reads_is_no_error_of_the_app(probe, body):
    """The client waits for a 100 Continue before its body, so the app is called before the body arrives."""
    mark = probe.log.mark()
    with probe.connect() as client:
        client.request("POST", "/read?all", [("Transfer-Encoding", "chunked"), ("Expect", "100-continue")])
        assert client.socket.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(body)
        client.half_close()
        assert client.response().status == 400
    probe.log.wait("request refused status=400", after=mark)
    assert probe.get("/read?all").status == 200
    assert not probe.log.find("Traceback|exception in app", after=mark)


def test_wsgi_024_100_continue(probe):
    with probe.connect() as client:
        client.request("POST", "/read?all", [("Content-Length", "4"), ("Expect", "100-continue")])
        assert client.socket.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"body")
        assert json.loads(client.response().body) == ["body", ""]


def test_wsgi_024_no_100_when_the_body_is_too_large(another):
    server = another("--limit-request-body", "10")
    with server.connect() as client:
        client.request("POST", "/read?all", [("Content-Length", "11"), ("Expect", "100-continue")])
        response = client.response()
        assert response.status == 413 and not response.interim


def test_wsgi_025_errors_go_to_the_error_log(probe):
    mark = probe.log.mark()
    assert "str, not bytes" in probe.json("/errors")
    # As they are, as with gunicorn: loggers that write there have a form of their own.
    for text in ("the first line \xe9", "begun, ended", "next", "from a list", "of lines", "printed to it"):
        probe.log.wait(rf"^{text}$", after=mark)


# start_response, write and the iterable


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


DATA = bytes(n * 7 % 251 for n in range(300_000))


@pytest.mark.parametrize(
    "kind, expected, framing",
    [
        ("plain", DATA, "length"), ("unbuffered", DATA, "chunked"), ("offset", DATA[15:], "length"), ("short", DATA[:1000], "length"),
        ("bytes", b"from memory" * 5000, "chunked"), ("no-fileno", b"a" * 10 + b"b" * 10, "chunked"), ("pipe", b"through a pipe", "chunked"),
        ("gzip", b"unpacked" * 100, "chunked"), ("temporary", b"temporary" * 1000, "length"), ("empty", b"", "length"), ("at-end", b"", "length"),
    ],
)
def test_wsgi_046_file_wrapper(probe, kind, expected, framing):
    with probe.connect() as client:
        for _ in range(2):
            response = client.get(f"/wrapped?{kind}")
            assert response.body == expected
            assert response.framing == framing
        assert client.get("/ignore").text == "ignored"


def test_wsgi_046_files_without_a_size_are_read(probe):
    assert b"VmRSS" in probe.get("/wrapped?proc").body


def test_wsgi_046_a_part_of_a_file_is_no_error(serve, app):
    app.write("""
import io
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "100")])
    if environ["PATH_INFO"] == "/memory":
        return environ["wsgi.file_wrapper"](io.BytesIO(b"x" * 500), 200)
    file = open(__file__.replace("app.py", "data"), "rb")
    file.seek(10)
    return environ["wsgi.file_wrapper"](file)
""")
    (app.path / "data").write_bytes(DATA)
    server = serve(None)
    with server.connect() as client:
        assert client.get("/").body == DATA[10:110]
        assert client.get("/memory").body == b"x" * 100
    server.terminate()
    assert server.wait_exit() == 0
    assert "content-length" not in server.log.text()


def test_wsgi_046_the_file_is_closed(probe):
    before = len(probe.closed("tracked"))
    probe.get("/wrapped?unbuffered")
    assert len(probe.closed("tracked")) == before + 1
    descriptors = len(os.listdir(f"/proc/{probe.ready_pids()[0]}/fd"))
    for _ in range(20):
        probe.get("/wrapped?plain")
    eventually(lambda: len(os.listdir(f"/proc/{probe.ready_pids()[0]}/fd")) <= descriptors, "no descriptor is left open")


def test_wsgi_046_as_a_plain_iterable(probe):
    assert probe.get("/wrapped-late").text == "ABC"


WRITTEN = """
import os

BLOCK = os.urandom(8 << 20)

def app(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(BLOCK) + os.path.getsize("data")))])
    write(BLOCK)
    with open("block", "wb") as copy:
        copy.write(BLOCK)
    return environ["wsgi.file_wrapper"](open("data", "rb"))
"""


def test_wsgi_046_a_file_behind_a_block_that_the_client_has_not_read(another, tmp_path):
    (tmp_path / "written.py").write_text(WRITTEN)
    (tmp_path / "data").write_bytes(os.urandom(1 << 20))
    server = another(spec="written:app")
    with server.connect(receive_buffer=65536) as client:
        found = client.get("/")
    assert found.body == (tmp_path / "block").read_bytes() + (tmp_path / "data").read_bytes()


def test_wsgi_046_head_of_a_file(probe):
    with probe.connect() as client:
        client.request("HEAD", "/wrapped?plain")
        assert client.response("HEAD").header("content-length") == str(len(DATA))
        assert client.get("/ignore").text == "ignored"


def test_wsgi_047_write_to_a_client_that_has_left_is_an_oserror(probe):
    mark = probe.log.mark()
    client = probe.connect()
    client.request(target="/closing-write-gone")
    client.head()
    client.reset()
    probe.log.wait("write raised ClientDisconnected, an OSError", after=mark)
    stays(lambda: not probe.log.find("Traceback", after=mark), "no error is logged", 0.1)


def test_wsgi_048_framing_is_the_servers(probe):
    assert probe.get("/generator").framing == "chunked"
    with probe.connect() as client:
        response = client.get("/generator", version="1.0")
        assert response.framing == "close" and response.closes


@pytest.mark.parametrize("threads", [1, 3])
def test_wsgi_049_never_more_apps_than_threads(another, threads):
    server = another("--threads", threads)
    clients = [server.connect() for _ in range(6)]
    for client in clients:
        client.request(target="/concurrent")
    found = [json.loads(client.response().body) for client in clients]
    assert max(one["most"] for one in found) == threads
    assert {one["multithread"] for one in found} == {threads > 1}
    assert len({one["thread"] for one in found}) == threads
    assert {one["thread"] for one in found} <= {"MainThread", "rgun-app-2", "rgun-app-3"}


def test_wsgi_050_the_app_is_imported_once(another):
    server = another("--threads", 4)
    seen = [server.json("/thread") for _ in range(5)]
    assert len(seen) == 5


def test_wsgiref_validate_has_nothing_to_say(another):
    server = another(spec="app:strict")
    for path in ("/environ", "/generator", "/list-of-three", "/read?all", "/write", "/%C3%A9?a=b", "/not-modified"):
        with server.connect() as client:
            response = client.get(path) if "read" not in path else client.post("/ignore", b"abc")
        assert response.status in (200, 202, 304), (path, response.status)
    with server.connect() as client:
        client.request("HEAD", "/ignore")
        assert client.response("HEAD").status == 200
    assert not server.log.find("AssertionError|Warning")


def test_asyncio_run_works_inside_a_view(probe):
    assert probe.get("/loop").text == "ran"


def test_requests_leave_nothing_behind(probe):
    def grown():
        with probe.connect() as client:
            for _ in range(20):
                client.get("/environ")
            before = json.loads(client.get("/objects").body)
            for _ in range(300):
                client.get("/environ")
                client.post("/read?all", b"abc")
            return json.loads(client.get("/objects").body) - before

    assert grown() < 50

"""PEP 3333, number by number: the environ."""

import json

import pytest

from harness.wsgi_probe import another, probe  # fixtures


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

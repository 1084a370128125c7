"""The scope that an app gets, number by number (ASGI 3.0, HTTP 2.5, lifespan 2.0)."""

import json

import pytest

pytestmark = [pytest.mark.both_loops]


def raw(server, *lines):
    """The app's view of a request that was sent exactly so."""
    with server.connect() as client:
        client.send("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"))
        response = client.response()
    assert response.status == 200, response.body
    return json.loads(response.body)


def scope(server, target="/scope", *headers, version="1.1"):
    return raw(server, f"GET {target} HTTP/{version}", "Host: example.org", *headers)["scope"]


def headers(found):
    return [tuple(item["bytes"] for item in _pair(pair)) for pair in found["headers"]]


def test_asgi_001_the_app_runs_as_a_task_of_the_loop(probe):
    found = json.loads(probe.get("/task").body)
    assert found == {"task": True, "variable": "unset", "thread": True, "timed_out": True}
    assert json.loads(probe.get("/task").body)["variable"] == "unset", "each request has a context of its own"


def test_asgi_001_a_pipelined_request_sees_no_context_variable_of_the_one_before(probe):
    """uvloop: the next request becomes a task in a turn that `send()` of this one has scheduled."""
    with probe.connect() as client:
        client.send(b"GET /task HTTP/1.1\r\nHost: a\r\n\r\n" * 10)
        found = [json.loads(client.response().body)["variable"] for _ in range(10)]
    assert found == ["unset"] * 10


def test_asgi_003_scope_is_a_dict_with_str_keys(probe):
    answer = raw(probe, "GET /scope HTTP/1.1", "Host: a")
    assert answer["kinds"] == {"scope": "dict", "headers": "list"}
    assert set(answer["keys"]) == {"str"}
    assert answer["scope"]["type"] == "http"


def test_asgi_003_every_request_gets_its_own_dict(probe):
    with probe.connect() as client:
        first, second = json.loads(client.get("/mutate").body), json.loads(client.get("/mutate").body)
    assert not first["before"] and not second["before"]


def test_asgi_004_versions(probe):
    assert scope(probe)["asgi"] == {"version": "3.0", "spec_version": "2.5"}
    assert json.loads(probe.get("/lifespan").body)["asgi"] == {"version": "3.0", "spec_version": "2.0"}


def test_asgi_005_ports_are_ints(probe):
    found = scope(probe)
    assert isinstance(_pair(found["client"])[1], int) and isinstance(_pair(found["server"])[1], int)


def test_asgi_011_only_supported_extensions_are_offered(probe):
    offered = set(json.loads(probe.get("/extensions").body))
    assert not offered & {"websocket.http.response", "tls", "http.response.debug", "http.response.push"}


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_asgi_020_http_version(probe, version):
    assert scope(probe, version=version)["http_version"] == version


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PATCH", "PURGE"])
def test_asgi_021_method(probe, method):
    found = raw(probe, f"{method} /scope HTTP/1.1", "Host: a")["scope"]
    assert found["method"] == method


def test_asgi_022_scheme(probe):
    assert scope(probe)["scheme"] == "http"
    # The peer is loopback, which is trusted by default.
    assert scope(probe, "/scope", "X-Forwarded-Proto: https")["scheme"] == "https"


@pytest.mark.parametrize(
    "target, path",
    [
        ("/scope", "/scope"),
        ("/%73cope", "/scope"),
    ],
)
def test_asgi_023_path_is_decoded(probe, target, path):
    found = scope(probe, target)
    assert (found["path"], found["raw_path"]) == (path, {"bytes": target})


def test_asgi_023_path_is_decoded_as_utf8(serve, app):
    app.write("""
import json
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps([scope["path"], scope["raw_path"].decode()]).encode()})
""")
    server = serve()
    assert json.loads(server.get("/sco%2Fpe%20x/%C3%A9?a=%20").body) == ["/sco/pe x/\u00e9", "/sco%2Fpe%20x/%C3%A9"]
    invalid = server.get("/a%FFb")
    assert invalid.status in (200, 400), "invalid UTF-8 is decided, not a crash"
    if invalid.status == 200:
        assert json.loads(invalid.body)[1] == "/a%FFb"
    assert json.loads(server.get("//double//slash").body)[0] == "//double//slash"
    assert json.loads(server.get("/a/../b/./c").body)[0] == "/a/../b/./c"


def test_asgi_024_raw_path_has_no_query(probe):
    assert scope(probe, "/scope?a=1&b=2")["raw_path"] == {"bytes": "/scope"}


def test_asgi_025_absolute_target(probe):
    answer = raw(probe, "GET http://example.com:81/scope?x=1 HTTP/1.1", "Host: other.example")["scope"]
    assert answer["path"] == "/scope" and answer["query_string"] == {"bytes": "x=1"}
    assert [value for name, value in headers(answer) if name == "host"] == ["example.com:81"], "the target's authority replaces Host"


@pytest.mark.parametrize("target, query", [("/scope", ""), ("/scope?", ""), ("/scope?a=%20b&c=?d", "a=%20b&c=?d")])
def test_asgi_026_query_string_is_raw(probe, target, query):
    assert scope(probe, target)["query_string"] == {"bytes": query}


def test_asgi_027_root_path(serve):
    server = serve("probe.py", "--root-path", "/scope")
    found = scope(server, "/scope")
    assert (found["root_path"], found["path"]) == ("/scope", "/scope"), "a path that has the prefix keeps it as it is"
    added = scope(serve("probe.py", "--root-path", "/"), "/scope")
    assert added["path"] == "/scope"


def test_asgi_027_root_path_is_added_when_the_proxy_took_it_away(serve, app):
    app.write("""
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": (scope["root_path"] + " " + scope["path"]).encode()})
""")
    server = serve(None, "--root-path", "/shop")
    assert server.get("/cart").text == "/shop /shop/cart"
    assert server.get("/shop/cart").text == "/shop /shop/cart"
    assert server.get("/shopping").text == "/shop /shop/shopping"


def test_asgi_028_headers_keep_order_and_duplicates(probe):
    found = scope(probe, "/scope", "X-B: 2", "X-A: 1", "x-b: 3", "X-Empty:", "X-Space:   v  ")
    ours = [pair for pair in headers(found) if pair[0].startswith("x-")]
    assert ours == [("x-b", "2"), ("x-a", "1"), ("x-b", "3"), ("x-empty", ""), ("x-space", "v")]
    assert all(name == name.lower() for name, _ in headers(found))


def test_asgi_028_header_values_are_bytes_as_sent(probe):
    found = scope(probe, "/scope", "X-Latin: caf\u00e9")
    assert ("x-latin", "caf\u00e9") in headers(found)


def test_asgi_029_cookie_fields_of_http1_stay_apart(probe):
    """Joining is for the crumbs of HTTP/2: a client of HTTP/1.1 sends one field (RFC 6265), and what it sends is kept."""
    found = headers(scope(probe, "/scope", "Cookie: a=1", "X: y", "Cookie: b=2"))
    assert [pair for pair in found if pair[0] != "host"][:3] == [("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")]


def test_asgi_030_trailers_of_a_request_are_not_headers(probe):
    with probe.connect() as client:
        client.request("POST", "/scope", [("Transfer-Encoding", "chunked"), ("Trailer", "X-Late")])
        client.send(b"3\r\nabc\r\n0\r\nX-Late: 1\r\n\r\n")
        found = json.loads(client.response().body)["scope"]
    assert "x-late" not in dict(headers(found))


def test_asgi_031_underscores_never_alias(probe):
    found = scope(probe, "/scope", "X-Forwarded-For: 1.1.1.1", "X_Forwarded_For: 6.6.6.6", "X_Other: 1")
    names = [name for name, _ in headers(found)]
    assert "x_forwarded_for" not in names and "x_other" not in names
    assert dict(headers(found)).get("x-forwarded-for") == "1.1.1.1"


def test_asgi_031_underscores_may_be_refused_or_let_through(serve):
    with serve("probe.py", "--header-map", "refuse").connect() as client:
        assert client.get("/scope", [("X_A", "1")]).status == 400
    assert ("x_a", "1") in headers(scope(serve("probe.py", "--header-map", "dangerous"), "/scope", "X_A: 1"))


def test_asgi_032_client(probe):
    with probe.connect() as client:
        port = client.socket.getsockname()[1]
        found = json.loads(client.get("/scope").body)["scope"]
    assert _pair(found["client"]) == ["127.0.0.1", port]


def test_asgi_032_client_behind_a_trusted_proxy(probe):
    assert _pair(scope(probe, "/scope", "X-Forwarded-For: 203.0.113.7")["client"])[0] == "203.0.113.7"


def test_asgi_032_client_behind_an_untrusted_proxy(serve):
    server = serve("probe.py", "--forwarded-allow-ips", "192.0.2.1")
    found = scope(server, "/scope", "X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https")
    assert _pair(found["client"])[0] == "127.0.0.1" and found["scheme"] == "http"


def test_asgi_032_forged_addresses_left_of_the_proxys_do_not_count(probe):
    found = scope(probe, "/scope", "X-Forwarded-For: 6.6.6.6, 203.0.113.7")
    assert _pair(found["client"])[0] == "203.0.113.7"


def test_asgi_033_server(probe):
    assert _pair(scope(probe)["server"]) == ["127.0.0.1", probe.port]


def test_asgi_032_033_on_a_unix_socket(serve):
    server = serve("probe.py", bind="unix:here.sock")
    with server.connect() as client:
        found = json.loads(client.get("/scope").body)["scope"]
    assert found.get("client") is None
    assert _pair(found["server"])[0].endswith("here.sock") and _pair(found["server"])[1] is None


def test_asgi_034_state_is_a_shallow_copy(probe):
    first = json.loads(probe.get("/mutate").body)
    second = json.loads(probe.get("/mutate").body)
    assert not second["before"] and second["shared"] == first["shared"] + 1


def _pair(value):
    return value["tuple"] if isinstance(value, dict) else value

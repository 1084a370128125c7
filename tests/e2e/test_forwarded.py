"""Behind proxies: the client's address and scheme, the same in ASGI and WSGI, and nothing that a client forged."""

import pytest

from harness.origin import ask, both

pytestmark = [pytest.mark.both_artifacts]

CLIENT = ("X-Forwarded-For", "203.0.113.7")
HTTPS = ("X-Forwarded-Proto", "https")
EVERY = "x-forwarded-for,x-forwarded-proto,x-forwarded-host,x-forwarded-port,x-forwarded-prefix"


@both
def test_client_and_scheme_of_a_proxy_on_the_same_machine(origin):
    server = origin()
    seen = ask(server, [CLIENT, HTTPS])
    assert (seen["client"], seen["scheme"]) == (["203.0.113.7", 0], "https")
    # Values that a request does not forward are the connection's own: nothing stays of the previous request.
    with server.connect() as client:
        assert ask(client, [CLIENT, HTTPS])["scheme"] == "https"
        seen = ask(client, [])
        assert (seen["client"][0], seen["scheme"]) == ("127.0.0.1", "http")


@both
def test_peers_that_are_not_trusted_are_not_believed(origin):
    server = origin("--forwarded-allow-ips", "192.0.2.1", "--forwarded-headers", EVERY, "--forwarder-headers", "SCRIPT_NAME")
    fields = [CLIENT, HTTPS, ("X-Forwarded-Ssl", "off"), ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Port", "81"),
              ("X-Forwarded-Prefix", "/x"), ("SCRIPT_NAME", "/x"), ("Forwarded", "for=6.6.6.6")]
    seen = ask(server, fields)
    assert seen["client"][0] == "127.0.0.1"
    assert (seen["scheme"], seen["host"], seen["root"], seen["underscores"]) == ("http", "localhost", "", [])


@both
def test_through_a_chain_from_the_right(origin):
    server = origin("--forwarded-allow-ips", "127.0.0.1,10.0.0.0/8")
    fields = [("X-Forwarded-For", "6.6.6.6, 203.0.113.7"), ("X-Forwarded-For", "10.0.0.2"), ("X-Forwarded-Proto", "http, https, http")]
    seen = ask(server, fields)
    assert (seen["client"], seen["scheme"]) == (["203.0.113.7", 0], "https")
    # Something that is no address ends the walk at the last proxy that was named.
    assert ask(server, [("X-Forwarded-For", "6.6.6.6, <script>, 10.0.0.2")])["client"] == ["10.0.0.2", 0]
    assert ask(server, [("X-Forwarded-For", "6.6.6.6, unknown")])["client"][0] == "127.0.0.1"


@both
def test_a_client_cannot_prepend_another_address(origin):
    """nginx's `$proxy_add_x_forwarded_for` appends the address that it saw."""
    seen = ask(origin(), [("X-Forwarded-For", "127.0.0.1, 6.6.6.6, 203.0.113.7")])
    assert seen["client"] == ["203.0.113.7", 0]


@both
def test_scheme_fields_that_disagree_are_refused(origin):
    server = origin()
    with server.connect() as client:
        response = client.get(headers=[HTTPS, ("X-Forwarded-Ssl", "off")])
        assert response.status == 400
    assert ask(server, [HTTPS, ("X-Forwarded-Ssl", "on")])["scheme"] == "https"
    assert ask(server, [("X-Forwarded-Protocol", "ssl")])["scheme"] == "https"


@both
def test_own_scheme_field(origin):
    server = origin("--secure-scheme-headers", "Front-End-Https=on")
    assert ask(server, [("Front-End-Https", "on")])["scheme"] == "https"
    assert ask(server, [HTTPS])["scheme"] == "http"


@both
def test_host_port_and_prefix_count_on_request_only(origin):
    fields = [HTTPS, ("X-Forwarded-Host", "site.example"), ("X-Forwarded-Port", "8443"), ("X-Forwarded-Prefix", "/shop")]
    seen = ask(origin(), fields, "/cart")
    assert (seen["host"], seen["root"], seen["path"]) == ("localhost", "", "/cart")
    server = origin("--forwarded-headers", EVERY)
    for path in ("/cart", "/shop/cart"):
        seen = ask(server, fields, path)
        assert (seen["host"], seen["server"]) == ("site.example:8443", ["site.example", 8443])
        assert (seen["root"], seen["path"]) == ("/shop", "/cart")
    assert ask(server, [("X-Forwarded-Prefix", "//evil.example")])["root"] == ""


@both
def test_the_standard_field_on_request_and_then_alone(origin):
    fields = [("Forwarded", 'for=6.6.6.6;proto=http, for="203.0.113.7:4711";proto=https;host=site.example'), ("X-Forwarded-For", "7.7.7.7")]
    assert ask(origin(), fields)["client"] == ["7.7.7.7", 0]
    seen = ask(origin("--forwarded-headers", "forwarded"), fields)
    assert (seen["client"], seen["scheme"], seen["host"]) == (["203.0.113.7", 4711], "https", "site.example")


@both
def test_script_name_of_a_proxy_that_may_set_it(origin):
    seen = ask(origin(), [("SCRIPT_NAME", "/shop"), ("X_USER", "root")], "/shop/cart")
    assert (seen["root"], seen["path"], seen["underscores"]) == ("", "/shop/cart", [])
    server = origin("--forwarder-headers", "SCRIPT_NAME,PATH_INFO")
    seen = ask(server, [("SCRIPT_NAME", "/shop"), ("X_USER", "root")], "/shop/cart")
    assert (seen["root"], seen["path"], seen["underscores"]) == ("/shop", "/cart", ["SCRIPT_NAME"])


@both
def test_unix_peers_are_trusted(origin):
    server = origin(bind="unix:app.sock")
    seen = ask(server, [CLIENT, HTTPS])
    assert (seen["client"], seen["scheme"]) == (["203.0.113.7", 0], "https")
    assert ask(server, [])["client"] is None


def test_the_access_log_has_the_client(serve):
    server = serve("hello.py", "--access-logfile", "-")
    server.get("/told", headers=[CLIENT])
    server.log.wait(r'^203\.0\.113\.7 - - .*"GET /told ')

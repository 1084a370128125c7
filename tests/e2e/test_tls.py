"""HTTPS: what clients and apps see of it."""

import asyncio
import contextlib
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys

import pytest
from harness.client import Client
from harness.tls import Authority, TlsClient
from harness.waiting import eventually

pytestmark = [pytest.mark.both_artifacts, pytest.mark.both_loops]


def files(pair):
    return ["--certfile", pair[0], "--keyfile", pair[1]]


both = pytest.mark.parametrize("spec", ["app:app", "app:application"])


@both
def test_requests_over_both_versions(serve, authority, pair, spec):
    server = serve("tls.py", *files(pair), spec=spec)
    assert server.addresses == [f"https://127.0.0.1:{server.port}"]
    for version, number, name in ((ssl.TLSVersion.TLSv1_2, 0x0303, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, 0x0304, "TLSv1.3")):
        context = authority.context(minimum_version=version, maximum_version=version)
        with TlsClient.connect(server.port, context) as client:
            assert client.socket.version() == name
            for _ in range(2):
                seen = json.loads(client.get().body)
                assert seen["scheme"] == "https"
                if spec == "app:app":
                    tls = seen["tls"]
                    assert (tls["tls_version"], tls["client_cert_chain"], tls["client_cert_name"], tls["client_cert_error"]) == (number, [], None, None)
                    assert ssl.PEM_cert_to_DER_cert(tls["server_cert"]) == client.socket.getpeercert(binary_form=True)
                    assert tls["cipher_suite"] in (0x1301, 0x1302, 0x1303, 0xC02B, 0xC02C, 0xCCA9)
                else:
                    assert seen["tls"] == {
                        "HTTPS": "on", "SSL_PROTOCOL": name, "SSL_CIPHER": client.socket.cipher()[0],
                        "SSL_SERVER_NAME": "localhost", "SSL_CLIENT_VERIFY": "NONE",
                    }


@both
def test_large_bodies_and_files_in_both_directions(serve, authority, pair, spec):
    server = serve("tls.py", *files(pair), spec=spec)
    with TlsClient.connect(server.port, authority.context()) as client:
        upload = os.urandom(3_000_000)
        assert client.post("/echo", upload).body == upload
        size = 5 * 1024 * 1024
        assert client.get(f"/large?size={size}").body == bytes(range(256)) * (size // 256)
        with open(f"{server.directory}/app.py", "rb") as file:
            assert client.get("/file").body == file.read()


def test_every_split_of_the_bytes_is_the_same(serve, authority, pair):
    """Ciphertext that comes byte by byte."""
    server = serve("tls.py", *files(pair))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = authority.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with Client.tcp("127.0.0.1", server.port) as client:

        def pump():
            for byte in outgoing.read():
                client.send(bytes([byte]))

        def until(step):
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    pump()
                    incoming.write(client.socket.recv(65536))

        until(session.do_handshake)
        session.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        pump()
        answer = b""
        while data := until(lambda: session.read(65536)):
            answer += data
        # The server has closed the session, not just the connection.
        assert answer.startswith(b"HTTP/1.1 200 ")


def test_the_certificate_is_chosen_by_name(serve, authority):
    pairs = [authority.issue("first", ["first.example"]), authority.issue("other", ["other.example", "*.other.example"])]
    server = serve("tls.py", *(word for pair in pairs for word in files(pair)))
    serials = {}
    context = authority.context(check_hostname=False)
    for host in ("first.example", "other.example", "www.other.example", "a.b.other.example", "unknown.example", None):
        with TlsClient.connect(server.port, context, host=host) as client:
            serials[host] = client.serial
    first, other = serials["first.example"], serials["other.example"]
    assert first != other
    assert serials == {
        "first.example": first, "other.example": other, "www.other.example": other,
        "a.b.other.example": first, "unknown.example": first, None: first,
    }


@both
@pytest.mark.parametrize("mode", ["required", "2", "optional"])
def test_client_certificates(serve, authority, pair, tmp_path, spec, mode):
    stranger = Authority(tmp_path / "stranger", "Other Authority").issue("mallory", [])
    known = authority.issue("client", [])
    server = serve("tls.py", *files(pair), "--ca-certs", authority.file, "--cert-reqs", mode, spec=spec)

    def ask(certificate):
        with TlsClient.connect(server.port, authority.context(client=certificate)) as client:
            return json.loads(client.get().body)["tls"]

    seen = ask(known)
    if spec == "app:app":
        assert seen["client_cert_name"] == "CN=client,O=Test" and len(seen["client_cert_chain"]) >= 1
    else:
        assert (seen["SSL_CLIENT_VERIFY"], seen["SSL_CLIENT_S_DN"]) == ("SUCCESS", "CN=client,O=Test")
        assert seen["SSL_CLIENT_CERT"].startswith("-----BEGIN CERTIFICATE-----")
    # With an alert that says why, also where requests are on their way in two pieces.
    for _ in range(20):
        with TlsClient.connect(server.port, authority.context(client=stranger)) as client:
            with contextlib.suppress(ConnectionError):
                for piece in (b"GET / HTTP/1.1\r\n", b"Host: a\r\n", b"\r\n"):
                    client.send(piece)
            with pytest.raises(ssl.SSLError, match="(?i)unknown.ca"):
                client.socket.recv(1)
    server.log.wait('reason="client certificate is from an unknown authority"')
    if mode == "optional":
        assert ask(None) != seen
    else:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(None)
        server.log.wait('reason="client shows no certificate"')


def test_what_does_not_speak_tls_is_answered_and_logged(serve, authority, pair):
    server = serve("tls.py", *files(pair), "--first-byte-timeout", "1", "--access-logfile", "-")
    with server.connect() as client:
        answer = client.get()
        assert (answer.status, answer.text) == (400, "Bad Request: plain http sent to a port that speaks https\n")
        assert client.rest() == b""
    with server.connect() as client:
        client.send(b"\x16\x03\x01\x00\x05\x01hello")
        client.rest()
    server.log.wait('TLS connection failed.*reason="(not a TLS handshake|client violates the TLS protocol)"')
    with server.connect() as client:
        client.send(b"\x80\x2e\x01\x03\x01")
        client.rest()
    with server.connect() as silent, server.connect() as half:
        half.send(b"\x16\x03\x01\x02\x00\x01\x00")
        # Others are served at the same time.
        with TlsClient.connect(server.port, authority.context()) as client:
            assert client.get().status == 200
        silent.rest(), half.rest()
    server.log.wait('reason="client sent no TLS handshake"')
    server.log.wait('reason="TLS handshake took too long"')


def test_old_versions_are_refused_with_the_reason(serve, pair):
    server = serve("tls.py", *files(pair), "--tls-min-version", "1.3")
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-tls1_2"], input=b"", capture_output=True, timeout=30)
    assert done.returncode != 0 and b"protocol version" in done.stderr
    server.log.wait('reason="client does not offer TLS 1.3"')


def test_clients_that_are_older_than_what_is_supported_are_named(serve, pair):
    server = serve("tls.py", *files(pair))
    words = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-tls1", "-cipher", "DEFAULT@SECLEVEL=0"]
    assert subprocess.run(words, input=b"", capture_output=True, timeout=30).returncode != 0
    server.log.wait('reason="client offers only TLS 1.1 or older"')


def test_renegotiation_does_no_harm(serve, pair, authority):
    server = serve("tls.py", *files(pair))
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-tls1_2"], input=b"R\n", capture_output=True, timeout=30,
    )
    assert b"RENEGOTIATING" in done.stderr + done.stdout and b"no renegotiation" in done.stderr
    with TlsClient.connect(server.port, authority.context()) as client:
        assert client.get().status == 200


def test_plain_and_tls_side_by_side(serve, authority, pair, tmp_path):
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens" / "abc_DEF-1").write_text("abc_DEF-1.key")
    server = serve(
        "tls.py", *files(pair), "--redirect-https", "--acme-challenge-dir", tmp_path / "tokens", bind=["127.0.0.1:0,plain", "127.0.0.1:0", "unix:app.sock"],
    )
    plain, tls, unix = server.addresses
    assert plain.startswith("http://") and tls.startswith("https://") and unix.startswith("unix:")
    plain, tls = (int(address.rpartition(":")[2]) for address in (plain, tls))
    for target, location in (("/a%20b?c=d", "/a%20b?c=d"), ("http://localhost/x", "/x")):
        with Client.tcp("127.0.0.1", plain) as client:
            answer = client.get(target, host=f"localhost:{plain}" if target[0] == "/" else "localhost")
            assert (answer.status, answer.header("location")) == (308, f"https://localhost:{tls}{location}")
    for token, status, body in (("abc_DEF-1", 200, b"abc_DEF-1.key"), ("absent", 404, b"no such token\n"), ("..%2Fapp", 404, b"no such token\n")):
        with Client.tcp("127.0.0.1", plain) as client:
            answer = client.get(f"/.well-known/acme-challenge/{token}")
            assert (answer.status, answer.body) == (status, body)
    (tmp_path / "tokens" / "out").symlink_to("/etc/passwd")
    for method, token, status in (("GET", "out", 404), ("HEAD", "abc_DEF-1", 200), ("DELETE", "abc_DEF-1", 405), ("POST", "absent", 405)):
        with Client.tcp("127.0.0.1", plain) as client:
            client.request(method, f"/.well-known/acme-challenge/{token}")
            answer = client.response(method)
            assert (answer.status, answer.header("allow")) == (status, "GET, HEAD" if status == 405 else None)
    with TlsClient.connect(tls, authority.context()) as client:
        assert client.get().status == 200
    with Client.unix(f"{server.directory}/app.sock") as client:
        assert json.loads(client.get().body)["scheme"] == "http"


def test_a_proxy_header_comes_before_the_handshake(serve, authority, pair):
    server = serve("origin.py", *files(pair), "--proxy-protocol", "auto")
    v2 = b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", 0x21, 0x11, 12) + socket.inet_aton("203.0.113.7") + socket.inet_aton("198.51.100.1") + struct.pack("!HH", 4711, 443)
    for header in (b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n", v2):
        raw = Client.tcp("127.0.0.1", server.port)
        raw.send(header)
        with TlsClient(authority.context().wrap_socket(raw.socket, server_hostname="localhost")) as client:
            seen = json.loads(client.get().body)
            assert (seen["client"], seen["scheme"]) == (["203.0.113.7", 4711], "https")


def test_a_client_that_closes_its_session(serve, authority, pair):
    """A close_notify ends the input; the answer in progress still comes."""
    server = serve("tls.py", *files(pair))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = authority.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with Client.tcp("127.0.0.1", server.port) as client:

        def until(step):
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    client.send(outgoing.read())
                    data = client.socket.recv(65536)
                    incoming.write(data) if data else incoming.write_eof()

        until(session.do_handshake)
        session.write(b"GET /large?size=1048576 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with pytest.raises(ssl.SSLWantReadError):
            session.unwrap()
        client.send(outgoing.read())
        answer = b""
        while len(answer) < 1048576:
            answer += until(lambda: session.read(65536))
        assert answer.startswith(b"HTTP/1.1 200 ")


def test_the_access_log_knows_version_and_cipher(serve, authority, pair):
    server = serve("tls.py", *files(pair), "--access-logfile", "-", "--access-logformat", "line %(r)s %({tls_version}e)s %({tls_cipher}e)s %({tls_server_name}e)s")
    with TlsClient.connect(server.port, authority.context()) as client:
        client.get()
    server.log.wait(r"line GET / HTTP/1.1 TLSv1.3 TLS_\w+ localhost")


def test_the_json_access_log_knows_version_and_cipher(serve, authority, pair):
    server = serve("tls.py", *files(pair), "--access-logfile", "-", "--access-logformat", "json")
    with TlsClient.connect(server.port, authority.context()) as client:
        client.get()
    line = server.log.wait(r'\{"time":.*"path":"/".*\}').group(0)
    assert json.loads(line)["tls_version"] == "TLSv1.3" and json.loads(line)["tls_cipher"].startswith("TLS_")


def test_sessions_are_resumed_by_every_worker_and_generation(serve, authority, pair):
    server = serve("tls.py", *files(pair), workers=2)
    context = authority.context(maximum_version=ssl.TLSVersion.TLSv1_2)
    with TlsClient.connect(server.port, context) as client:
        client.get()
        session = client.socket.session
    for _ in range(10):
        with TlsClient.connect(server.port, context, session=session) as client:
            assert client.get().status == 200 and client.socket.session_reused
    server.reload()
    for _ in range(10):
        with TlsClient.connect(server.port, context, session=session) as client:
            assert client.get().status == 200 and client.socket.session_reused


def test_clients_of_other_makers(serve, authority, pair):
    server = serve("tls.py", *files(pair))
    url = f"https://localhost:{server.port}/"
    done = subprocess.run(["curl", "-sS", "--cacert", authority.file, url], capture_output=True, text=True, timeout=30)
    assert json.loads(done.stdout)["scheme"] == "https", done.stderr
    httpx = pytest.importorskip("httpx")
    with httpx.Client(verify=authority.context()) as client:
        assert client.get(url).json()["scheme"] == "https"


def test_websockets(serve, authority, pair):
    websockets = pytest.importorskip("websockets")
    server = serve("tls.py", *files(pair))

    async def talk():
        async with websockets.connect(f"wss://localhost:{server.port}/", ssl=authority.context()) as socket:
            await socket.send("hello " + "x" * 100_000)
            return await socket.recv()

    assert asyncio.run(talk()) == "wss hello " + "x" * 100_000


def test_many_handshakes_at_once_hold_up_nobody(serve, authority):
    server = serve("tls.py", *files(authority.issue("rsa", ["localhost"], rsa=True)))
    context = authority.context()
    hello = ssl.MemoryBIO()
    session = context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    hello = hello.read()
    with TlsClient.connect(server.port, context) as established:
        established.get()
        crowd = [Client.tcp("127.0.0.1", server.port) for _ in range(200)]
        for client in crowd:
            client.send(hello)
        # A request that comes now is not behind two hundred signatures of RSA.
        assert established.get().status == 200
        for client in crowd:
            assert client.socket.recv(5)[0] == 0x16
            client.close()

"""Certificates that cannot be used end the start, before anything is bound, with the file, the reason and the next step."""

import os
import socket
import ssl
import subprocess

import pytest
from harness.tls import TlsClient

pytestmark = [pytest.mark.both_artifacts]


@pytest.fixture
def refused(launch, app):
    """Start with these options, and return the output; the exit code is 1 and the port was never bound."""
    app.copy("hello.py")

    def start(*options, code=1, **keywords):
        with socket.socket() as taken:
            # The port is in use: binding first would fail with another message.
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            server = launch("app:app", *options, bind=f"127.0.0.1:{taken.getsockname()[1]}", **keywords)
            assert server.wait_exit() == code
        server.log.wait_end(5)
        text = server.log.text()
        assert "address already in use" not in text and "hint: " in text, text
        return text

    return start


def test_files_that_cannot_be_used(refused, authority, tmp_path):
    chain, key = authority.issue("server")
    _, other = authority.issue("other")
    encrypted, garbage = tmp_path / "encrypted.key", tmp_path / "garbage"
    subprocess.run(["openssl", "pkcs8", "-topk8", "-in", key, "-passout", "pass:x", "-out", encrypted], check=True)
    garbage.write_text("garbage\n")
    for chain_file, key_file, file, reason in (
        (tmp_path / "absent", key, tmp_path / "absent", "cannot be read: No such file or directory"),
        (tmp_path, key, tmp_path, "is a directory"),
        (garbage, key, garbage, "contains no certificate"),
        (chain, garbage, garbage, "contains no private key"),
        (chain, None, chain, "contains no private key"),
        (chain, encrypted, encrypted, "the private key is encrypted"),
        (chain, other, other, f"the key does not belong to the certificate in {chain}"),
    ):
        options = ["--certfile", chain_file] + (["--keyfile", key_file] if key_file else [])
        text = refused(*options)
        assert f"error: {file}: {reason}" in text, text


def test_a_file_that_is_named_in_a_configuration_is_reported_with_its_place(refused, authority, app, tmp_path):
    chain, key = authority.issue("server")
    (app.path / "rgun.toml").write_text(f'certfile = "{tmp_path}/absent"\nkeyfile = "{key}"\n')
    assert f"error: {tmp_path}/absent: cannot be read" in (text := refused()) and "the file comes from rgun.toml:1: certfile" in text
    (app.path / "rgun.toml").write_text(f'certfile = "{chain}"\n')
    text = refused(env={"RGUN_KEYFILE": str(tmp_path / "absent.key")})
    assert "absent.key: cannot be read" in text and "the file comes from $RGUN_KEYFILE" in text


def test_settings_that_do_not_fit_together(refused, authority):
    chain, key = authority.issue("server")
    for options, said in (
        (["--keyfile", key], "is a key without a certificate"),
        (["--certfile", chain, "--certfile", chain, "--keyfile", key], "is one of 1 keys for 2 certificates"),
        (["--certfile", chain, "--keyfile", key, "--cert-reqs", "required"], "needs to know whose certificates to accept"),
        (["--certfile", chain, "--keyfile", key, "--ciphers", "ECDHE-RSA-AES128-SHA"], "names `ECDHE-RSA-AES128-SHA`, which is not available"),
        (["--certfile", chain, "--keyfile", key, "--ssl-version", "TLSv1"], "is not supported"),
        (["--redirect-https"], "leads to TLS and there is no certificate"),
        (["--certfile", "credential:site.pem"], "needs $CREDENTIALS_DIRECTORY"),
    ):
        assert said in refused(*options), options


def test_a_certificate_about_to_expire_is_only_a_warning(launch, app, authority):
    app.copy("hello.py")
    chain, key = authority.issue("short", days=3)
    server = launch("app:app", "--certfile", chain, "--keyfile", key)
    line = server.log.wait(r"certificate needs attention.*").group(0)
    assert str(chain) in line and "expires in 2 days, on 20" in line
    key.chmod(0o644)
    server.reload()
    server.log.wait(r"every user of this machine can read or change the private key")


def test_credentials_of_systemd_and_one_file_for_both(launch, app, authority, tmp_path):
    app.copy("hello.py")
    chain, key = authority.issue("server")
    (tmp_path / "site.pem").write_text(chain.read_text() + key.read_text())
    server = launch("app:app", "--certfile", "credential:site.pem", env={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    server.wait_ready()
    with TlsClient.connect(server.port, authority.context()) as client:
        assert client.get().status == 200


def test_names_of_gunicorns_file(launch, app, authority):
    app.copy("hello.py")
    chain, key = authority.issue("server")
    app.write(
        f"import ssl\ncertfile = {str(chain)!r}\nkeyfile = {str(key)!r}\nssl_version = ssl.PROTOCOL_TLS_SERVER\ncert_reqs = ssl.CERT_OPTIONAL\n"
        f"ca_certs = {str(authority.file)!r}\nciphers = 'ECDHE+AESGCM'\ndo_handshake_on_connect = True\nsuppress_ragged_eofs = True\n", "gunicorn.conf.py",
    )
    server = launch("app:app")
    server.wait_ready()
    with TlsClient.connect(server.port, authority.context()) as client:
        assert client.get().status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has workers of another user")
def test_workers_of_another_user_need_no_access_to_the_key(launch, app, authority, pytestconfig):
    if pytestconfig.getoption("--binary") == "embedded":
        pytest.skip("the Python that the binary starts may be in root's home")
    app.copy("hello.py")
    chain, key = authority.issue("server")
    for directory in [app.path, *app.path.parents]:
        if str(directory).startswith("/tmp/pytest"):
            directory.chmod(0o755)
    server = launch("app:app", "--certfile", chain, "--keyfile", key, "--user", "nobody")
    server.wait_ready()
    with TlsClient.connect(server.port, authority.context()) as client:
        assert client.get().status == 200


def test_what_an_ssl_context_hook_changes_is_honoured_or_refused(launch, app, authority):
    app.copy("hello.py")
    chain, key = authority.issue("server")
    other = authority.issue("other")

    def start(*lines):
        app.write(
            f"import ssl\ncertfile = {str(chain)!r}\nkeyfile = {str(key)!r}\nca_certs = {str(authority.file)!r}\n"
            "def ssl_context(conf, default_ssl_context_factory):\n    context = default_ssl_context_factory()\n"
            + "".join(f"    {line}\n" for line in lines) + "    return context\n", "gunicorn.conf.py",
        )
        return launch("app:app")

    own = f"context.load_cert_chain({str(chain)!r}, {str(key)!r})"
    server = start(own, "context.minimum_version = ssl.TLSVersion.TLSv1_3", "context.verify_mode = ssl.CERT_REQUIRED", "context.set_ciphers('ECDHE+AESGCM')")
    server.wait_ready()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        TlsClient.connect(server.port, authority.context(maximum_version=ssl.TLSVersion.TLSv1_2))
    with TlsClient.connect(server.port, authority.context(client=authority.issue("client", []))) as client:
        assert client.get().status == 200
    for line, said in (
        ("context.options |= ssl.OP_NO_TICKET", "options "),
        ("context.maximum_version = ssl.TLSVersion.TLSv1_2", "maximum_version is not supported"),
        ("context.sni_callback = lambda *arguments: None", "sni_callback is not supported"),
        ("context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)", "has to return the context"),
        (f"context.load_cert_chain({str(other[0])!r}, {str(other[1])!r})", "load_cert_chain is not supported: set certfile"),
        ("context.set_ecdh_curve('secp384r1')", "set_ecdh_curve is not supported"),
        ("context.set_alpn_protocols(['h2'])", "set_alpn_protocols is not supported: it follows from http2"),
        ("context.load_default_certs()", "load_default_certs is not supported: set ca_certs"),
    ):
        server = start(line)
        assert server.wait_exit() == 1
        server.log.wait_end(5)
        assert "ssl_context" in server.log.text() and said in server.log.text(), server.log.text()

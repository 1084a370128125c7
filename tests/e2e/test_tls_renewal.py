"""Certificates are renewed while the server runs: new connections get the new ones, and nothing else changes."""

import os
import re
import shutil
import subprocess
import urllib.request

import pytest
from harness.load import Load
from harness.tls import TlsClient, TlsServer
from harness.waiting import eventually

pytestmark = [pytest.mark.both_artifacts]


@pytest.fixture
def live(tmp_path):
    place = tmp_path / "live"
    place.mkdir()
    return place


def install(pair, place):
    """Both files, each by a rename."""
    for file, name in zip(pair, ("chain.pem", "key.pem")):
        shutil.copy(file, place / f".{name}")
        (place / f".{name}").rename(place / name)
    return place / "chain.pem", place / "key.pem"


def serial(server, authority):
    with TlsClient.connect(server.port, authority.context()) as client:
        return client.serial


def start(serve, pair, *options, **keywords):
    return serve("hello.py", "--certfile", pair[0], "--keyfile", pair[1], *options, **keywords)


def renewed(server, authority, old):
    eventually(lambda: serial(server, authority) != old, "new connections get the new certificate")


def test_a_rename_and_a_write_in_place(serve, authority, live):
    files = install(authority.issue("server"), live)
    server = start(serve, files, workers=2)
    pids, old = server.ready_pids(), serial(server, authority)
    with TlsClient.connect(server.port, authority.context()) as standing:
        standing.get()
        install(authority.issue("server"), live)
        renewed(server, authority, old)
        assert standing.get().status == 200 and standing.serial == old
    old = serial(server, authority)
    for source, file in zip(authority.issue("server"), files):
        file.write_bytes(source.read_bytes())
    renewed(server, authority, old)
    assert server.ready_pids() == pids
    assert server.log.find(r"certificate loaded.*name=localhost.*cause=.the files have changed")


def test_the_links_of_certbot(serve, authority, live, tmp_path):
    archive = tmp_path / "archive"
    archive.mkdir()

    def put(number):
        for source, name in zip(authority.issue("server"), ("fullchain", "privkey")):
            shutil.copy(source, archive / f"{name}{number}.pem")
            link = live / f"{name}.pem"
            link.unlink(missing_ok=True)
            link.symlink_to(f"../archive/{name}{number}.pem")

    put(1)
    server = start(serve, (live / "fullchain.pem", live / "privkey.pem"))
    old = serial(server, authority)
    put(2)
    renewed(server, authority, old)


def test_the_swap_of_kubernetes(serve, authority, live):
    def put(number):
        version = live / f"..{number}"
        version.mkdir()
        for source, name in zip(authority.issue("server"), ("tls.crt", "tls.key")):
            shutil.copy(source, version / name)
        (live / "..tmp").symlink_to(version.name)
        (live / "..tmp").rename(live / "..data")

    put(1)
    for name in ("tls.crt", "tls.key"):
        (live / name).symlink_to(f"..data/{name}")
    server = start(serve, (live / "tls.crt", live / "tls.key"))
    old = serial(server, authority)
    put(2)
    shutil.rmtree(live / "..1")
    renewed(server, authority, old)
    old = serial(server, authority)
    put(3)
    renewed(server, authority, old)


def test_by_command_and_by_reload(serve, authority, live, program, tmp_path):
    files = install(authority.issue("server"), live)
    socket = tmp_path / "ctl.sock"
    server = start(serve, files, "--no-tls-watch", "--control-socket", socket)

    def ctl(code=0):
        done = subprocess.run([*program, "ctl", "-s", socket, "reload-certificates"], capture_output=True, text=True, timeout=30)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    old, pids = serial(server, authority), server.ready_pids()
    assert "have not changed" in ctl()
    install(authority.issue("server"), live)
    assert serial(server, authority) == old
    assert "new certificates are used" in ctl()
    renewed(server, authority, old)
    old = serial(server, authority)
    # The key of another one.
    shutil.copy(authority.issue("other")[1], files[1])
    said = ctl(code=1)
    assert "the old ones are used" in said and "the key does not belong to the certificate" in said
    assert serial(server, authority) == old and server.ready_pids() == pids
    # A reload that brings it changes nothing either.
    assert "the key does not belong to the certificate" in server.reload().group(0)
    assert serial(server, authority) == old and server.ready_pids() == pids
    install(authority.issue("server"), live)
    assert "reload succeeded" in server.reload().group(0)
    assert serial(server, authority) != old


def test_a_bad_pair_is_reported_once_and_changes_nothing(serve, authority, live):
    files = install(authority.issue("server"), live)
    server = start(serve, files)
    old, mark = serial(server, authority), server.log.mark()
    files[1].write_text("garbage\n")
    server.log.wait(r"new certificates cannot be used, keeping the old ones.*contains no private key", after=mark)
    os.utime(files[1])
    mark = server.log.mark()
    shutil.copy(authority.issue("server")[0], files[0])
    os.utime(files[1])
    assert serial(server, authority) == old
    install(authority.issue("server"), live)
    renewed(server, authority, old)
    assert len(server.log.find(r"new certificates cannot be used")) == 1


def test_metrics_say_when_certificates_expire(serve, authority, live):
    files = install(authority.issue("server", days=100), live)
    server = start(serve, files, "--admin-bind", "127.0.0.1:0")
    admin = int(server.log.wait(r'probes and metrics address="?http://[^ ]*:(\d+)').group(1))

    def expiry():
        text = urllib.request.urlopen(f"http://127.0.0.1:{admin}/-/metrics", timeout=10).read().decode()
        return float(re.search(r'^rgun_certificate_expiry_timestamp_seconds\{name="localhost"\} (\S+)', text, re.M).group(1))

    before = expiry()
    install(authority.issue("server", days=200), live)
    eventually(lambda: 99 * 86400 < expiry() - before < 101 * 86400, "the new end is shown")


def test_renewals_under_load_lose_nothing(serve, authority, live):
    files = install(authority.issue("server"), live)
    server = start(serve, files, workers=2)
    pids = sorted(server.ready_pids())
    pairs = [authority.issue(f"renewed{number}") for number in range(4)]
    with Load(TlsServer(server, authority.context()), clients=4, keep_alive=False) as load:
        for number in range(int(os.environ.get("RENEWALS", "8"))):
            mark = server.log.mark()
            install(pairs[number % len(pairs)], live)
            server.log.wait(r"certificate loaded", after=mark)
            load.flows(10)
        load.assert_nothing_failed(at_least=80)
    assert sorted(server.ready_pids()) == pids

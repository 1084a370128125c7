"""A reload that changes `bind`: new addresses are opened before, old ones are closed after, and no client of the others notices."""

import json
import signal
import socket

import pytest
from harness import processes
from harness.apps import IMPORT_ERROR, version
from harness.client import Client
from harness.ctl import Ctl
from harness.load import Load
from harness.tls import Authority, TlsClient
from harness.waiting import eventually

ONE, TWO, THREE = "127.0.0.1:0", "127.0.0.2:0", "127.0.0.3:0"


class Deploy:
    """A server whose addresses are in its configuration file."""

    def __init__(self, app, launch, program, path):
        self._app, self._launch, self._program, self._path = app, launch, program, path

    def start(self, *binds, options=(), workers=2, **keywords):
        self._app.write(version("old"))
        self.configure(*binds)
        self.server = self._launch("app:app", "-w", workers, "--control-socket", self._path, *options, bind=None, **keywords)
        self.server.wait_ready(workers)
        self.ctl = Ctl(self._program, self._path)
        return self

    def configure(self, *binds, more=""):
        self._app.write(f"bind = {json.dumps(list(binds))}\n{more}", "rgun.toml")

    def deploy(self, name, *binds, more="", code=0):
        """Another version, at these addresses; what `ctl reload` prints."""
        self._app.write(version(name))
        self.configure(*binds, more=more)
        return self.ctl("reload", code=code)

    def listeners(self):
        return self.ctl.status()["listeners"]

    def place(self, host):
        """The port at which that host of the loopback network listens."""
        (found,) = [one for one in self.listeners() if f"//{host}:" in one]
        return At(host, int(found.rsplit(":", 1)[1]))


class At:
    """One address of a server, as loads see it."""

    def __init__(self, host, port):
        self.host, self.port = host, port

    def connect(self, timeout=10.0):
        return Client.tcp(self.host, self.port, timeout=timeout)

    def get(self):
        with self.connect() as client:
            return client.get(headers=[("connection", "close")]).text

    def refuses(self):
        try:
            self.connect().close()
        except ConnectionRefusedError:
            return True
        return False


@pytest.fixture
def deploy(app, launch, program, tmp_path):
    return Deploy(app, launch, program, tmp_path / "ctl.sock")


@pytest.mark.both_artifacts
@pytest.mark.parametrize("options", [(), ("--preload",), ("--reuse-port",), ("--reload-surge", "1")], ids=" ".join)
def test_addresses_come_and_go_and_those_that_stay_lose_nothing(deploy, options):
    deploy.start(ONE, options=options)
    stays = deploy.place("127.0.0.1")
    before = len(processes.descriptors(deploy.server.master))
    with Load(stays, clients=4) as kept, Load(stays, clients=2, keep_alive=False) as fresh:
        kept.flows(20)
        deploy.deploy("new", ONE, TWO)
        comes = deploy.place("127.0.0.2")
        assert comes.get() == "new" and stays.get() == "new"
        with Load(comes, clients=2) as others:
            others.flows(20)
            fresh.flows(20)
            deploy.deploy("newer", ONE)
            # It ends, and what was accepted before is answered.
            eventually(comes.refuses, "the removed address refuses connections")
            others.stop()
            assert set(others.failures) <= {"refused"}, others.details[:5]
        fresh.flows(20)
        kept.flows(20)
    kept.assert_nothing_failed(at_least=60)
    fresh.assert_nothing_failed(at_least=40)
    assert stays.get() == "newer" and len(deploy.listeners()) == 1
    eventually(lambda: len(processes.descriptors(deploy.server.master)) <= before, "no descriptor is left over")


@pytest.mark.both_artifacts
def test_connections_that_wait_at_a_removed_address_are_served(app, deploy):
    """They are in the kernel's queue: the worker is busy when the reload begins."""
    deploy.start(ONE, TWO, workers=1)
    app.copy("gate.py")
    deploy.ctl("reload")
    gone = deploy.place("127.0.0.2")
    with gone.connect() as busy:
        busy.request(target="/wait")
        deploy.server.log.wait("request waits")
        waiting = [gone.connect() for _ in range(20)]
        for client in waiting:
            client.request()
        deploy.deploy("new", ONE)
        (app.path / "open").touch()
        assert busy.response().text == "waited"
        for client in waiting:
            assert client.response().status == 200
            client.close()
    eventually(gone.refuses, "it refuses connections")


@pytest.mark.both_artifacts
def test_an_address_in_use_changes_nothing(app, deploy):
    deploy.start(ONE)
    stays = deploy.place("127.0.0.1")
    listeners, pids = deploy.listeners(), deploy.ctl.workers(1)
    with socket.create_server(("127.0.0.9", 0)) as other, Load(stays, clients=2) as load:
        taken = "127.0.0.9:%d" % other.getsockname()[1]
        said = deploy.deploy("new", ONE, "unix:new.sock", taken, code=1)
        assert f"bind {taken}: address already in use" in said.lower()
        load.flows(20)
    load.assert_nothing_failed()
    assert deploy.listeners() == listeners and sorted(deploy.ctl.workers(1)) == sorted(pids)
    # It was opened before the other one failed.
    assert not (app.path / "new.sock").exists()
    # Once it is free the same configuration is right.
    deploy.ctl("reload")
    assert At("127.0.0.9", int(taken.split(":")[1])).get() == "new"
    assert (app.path / "new.sock").exists()


@pytest.mark.parametrize("bind, reason", [
    ("unix:no/such/directory/a.sock", "no such file or directory"),
    ("192.0.2.1:0", "cannot assign requested address"),
    ("name.invalid:8000", "bind name.invalid:8000: a running server looks up no names (write the address in numbers, or restart the server)"),
    ("fd://7", "bind fd://7: sockets are passed in at the start only (restart the server)"),
])
def test_a_bad_address_changes_nothing(deploy, bind, reason):
    deploy.start(ONE)
    said = deploy.deploy("new", ONE, TWO, bind, code=1)
    assert reason in said.lower(), said
    assert deploy.place("127.0.0.1").get() == "old" and len(deploy.listeners()) == 1


def test_an_address_that_covers_an_open_one_is_refused_with_the_reason(deploy):
    deploy.start(ONE)
    port = deploy.place("127.0.0.1").port
    said = deploy.deploy("new", f"0.0.0.0:{port}", code=1)
    assert f"this server listens at 127.0.0.1:{port}" in said
    assert deploy.place("127.0.0.1").get() == "old"


def test_a_version_that_does_not_boot_leaves_no_address_behind(app, deploy):
    deploy.start(ONE)
    before = len(processes.descriptors(deploy.server.master))
    with Load(deploy.place("127.0.0.1"), clients=2) as load:
        deploy.configure(ONE, TWO, "unix:new.sock")
        app.write(IMPORT_ERROR)
        deploy.ctl("reload", code=1)
        eventually(lambda: not (app.path / "new.sock").exists(), "the socket file is removed")
        load.flows(20)
    load.assert_nothing_failed()
    assert len(deploy.listeners()) == 1
    deploy.server.log.wait("no longer listening address=(http://127|unix:)", count=2)
    eventually(lambda: len(processes.descriptors(deploy.server.master)) <= before, "no descriptor is left over")


def test_a_unix_socket_moves(app, deploy):
    deploy.start("unix:a.sock")
    deploy.deploy("new", "unix:b.sock")
    assert not (app.path / "a.sock").exists()
    with Client.unix(str(app.path / "b.sock")) as client:
        assert client.get().text == "new"
    deploy.server.terminate()
    assert deploy.server.wait_exit() == 0
    assert not (app.path / "b.sock").exists()


def test_passed_sockets_stay_and_the_log_names_them(deploy):
    with socket.create_server(("127.0.0.1", 0)) as held:
        place = At("127.0.0.1", held.getsockname()[1])
        deploy.start(f"fd://{held.fileno()}", pass_fds=[held.fileno()])
        deploy.deploy("new", TWO)
        assert "sockets that were passed in" in deploy.server.log.wait("passed in at the start.*").string
        assert place.get() == "new" and deploy.place("127.0.0.2").get() == "new"
        deploy.server.terminate()
        assert deploy.server.wait_exit() == 0


@pytest.mark.both_artifacts
def test_the_addresses_outlive_an_upgrade_and_change_again(deploy):
    deploy.start(ONE, workers=1)
    deploy.deploy("new", ONE, TWO)
    first, second = deploy.place("127.0.0.1"), deploy.place("127.0.0.2")
    with Load(first, clients=2) as one, Load(second, clients=2) as two:
        one.flows(10)
        deploy.ctl("upgrade", "--no-reload")
        assert len(deploy.listeners()) == 2
        deploy.ctl("upgrade")
        two.flows(10)
        one.flows(10)
    one.assert_nothing_failed()
    two.assert_nothing_failed()
    # Port 0 means the ports that it has had before.
    assert (deploy.place("127.0.0.1").port, deploy.place("127.0.0.2").port) == (first.port, second.port)
    deploy.deploy("newest", TWO, THREE)
    assert second.get() == "newest" and deploy.place("127.0.0.3").get() == "newest"
    eventually(first.refuses, "the removed address refuses connections")


def test_a_canary_has_its_own_addresses_until_it_is_judged(app, deploy):
    deploy.start(ONE, TWO)
    first, second = deploy.place("127.0.0.1"), deploy.place("127.0.0.2")
    app.write(version("new"))
    deploy.configure(ONE, THREE)
    with Load(first, clients=2) as one, Load(second, clients=2, keep_alive=False) as two:
        deploy.ctl("canary", "1")
        one.flows(20)
        # Only the workers that stay serve it.
        two.flows(20)
        assert set(two.bodies()) == {b"old"}
        deploy.ctl("discard")
        one.flows(20)
        two.flows(20)
        two.assert_nothing_failed()
        deploy.ctl("canary", "1")
        deploy.ctl("promote")
        one.flows(20)
    one.assert_nothing_failed()
    eventually(second.refuses, "the removed address refuses connections")
    assert deploy.place("127.0.0.3").get() == "new"


def test_a_rollback_closes_what_the_new_version_has_opened(deploy):
    deploy.start(ONE, options=("--rollback-window", "60"))
    deploy.deploy("new", ONE, TWO)
    opened = deploy.place("127.0.0.2")
    deploy.ctl("rollback")
    assert deploy.place("127.0.0.1").get() == "old" and len(deploy.listeners()) == 1
    eventually(opened.refuses, "the new address refuses connections")
    # A version that gives up an address cannot be taken back: it would have to be opened again.
    deploy.deploy("newer", THREE)
    assert "is not kept for a rollback" in deploy.server.log.wait("addresses are removed.*").string
    deploy.ctl("rollback", code=1)


def test_a_bind_changes_between_tls_and_plain(deploy, tmp_path):
    authority = Authority(tmp_path / "ca")
    chain, key = authority.issue("site", hosts=("localhost", "127.0.0.1"))
    deploy.start(f"{ONE},plain", options=("--certfile", chain, "--keyfile", key))
    place = deploy.place("127.0.0.1")
    assert place.get() == "old"
    deploy.deploy("new", ONE)
    assert deploy.listeners() == [f"https://127.0.0.1:{place.port}"]
    with TlsClient.connect(place.port, authority.context()) as client:
        assert client.get().text == "new"
    deploy.deploy("plain", f"{ONE},plain", "127.0.0.2:0,tls")
    assert place.get() == "plain"


def test_tls_is_not_added_to_a_server_without_a_certificate(deploy, tmp_path):
    authority = Authority(tmp_path / "ca")
    chain, key = authority.issue("site")
    deploy.start(ONE)
    said = deploy.deploy("new", ONE, f"{TWO},tls", more=f'certfile = "{chain}"\nkeyfile = "{key}"\n', code=1)
    assert "bind 127.0.0.2:0: it is to use TLS, and this server was started without a certificate (restart the server)" in said
    assert deploy.place("127.0.0.1").get() == "old" and len(deploy.listeners()) == 1


def test_metrics_follow_the_addresses(deploy):
    deploy.start(ONE, options=("--admin-bind", "127.0.0.4:0"))
    monitor = At("127.0.0.4", int(deploy.server.log.wait(r"probes and metrics .*127\.0\.0\.4:(\d+)").group(1)))
    deploy.deploy("new", TWO)
    port = deploy.place("127.0.0.2").port

    def shown():
        with monitor.connect() as client:
            text = client.get("/-/metrics", headers=[("connection", "close")]).text
        return f"127.0.0.2:{port}" in text and "127.0.0.1" not in text

    eventually(shown, "the metrics name the new address alone")


def test_what_a_reload_does_not_change_is_named(deploy):
    deploy.start(ONE)
    said = deploy.deploy("new", ONE, more="backlog = 7\n")
    assert "generation 2 serves; only a restart applies --backlog" in said
    assert "--backlog" in deploy.server.log.wait("changed settings that only a restart applies.*").string


def test_a_certificate_for_a_server_without_one_is_named(deploy, authority):
    deploy.start(ONE)
    chain, key = authority.issue("server")
    said = deploy.deploy("new", ONE, more=f'certfile = "{chain}"\nkeyfile = "{key}"\n')
    assert "generation 2 serves; only a restart applies --certfile (where there was none)" in said
    deploy.server.signal(signal.SIGTERM)
    assert deploy.server.wait_exit() == 0

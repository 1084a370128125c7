"""nginx and the server reload independently under load: nothing fails, and nginx logs no error."""

import pytest

from harness.apps import version
from harness.load import Load
from harness.nginx import Nginx

pytestmark = [pytest.mark.both_artifacts]


@pytest.mark.parametrize("bind", ["127.0.0.1:0", "unix:app.sock"], ids=["tcp", "unix"])
@pytest.mark.parametrize("keep_alive", [True, False], ids=["kept", "not kept"])
def test_reloads_of_both_under_load(serve, app, tmp_path, bind, keep_alive):
    app.write(version("one"))
    server = serve(workers=2, bind=bind)
    with Nginx(tmp_path, server, keep_alive=keep_alive) as nginx:
        # A connection each: nginx closes kept ones of its clients when it reloads, also those with a request on the wire.
        with Load(nginx, clients=8, keep_alive=False) as load:
            load.flows()
            for name in ("two", "three"):
                app.write(version(name))
                nginx.reload()
                assert server.reload().group(1) == "succeeded"
                nginx.reload()
                load.flows(100)
            load.assert_nothing_failed(at_least=200)
        assert load.bodies()[b"three"] > 0
        assert nginx.complaints() == []


def test_workers_killed_behind_nginx_are_missed_only_by_their_own_requests(serve, tmp_path):
    """An idle worker that dies takes nothing with it but idle connections, which nginx replaces."""
    server = serve("hello.py", workers=2)
    with Nginx(tmp_path, server, keep_alive=False) as nginx:
        for pid in server.ready_pids():
            mark = server.log.mark()
            server.signal(9, pid)
            server.log.wait("worker ready", after=mark)
            with Load(nginx, clients=2, keep_alive=False) as load:
                load.flows(50)
                load.assert_nothing_failed()

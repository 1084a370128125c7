"""Kubernetes' race: traffic goes on arriving after TERM."""

import signal

from harness import processes
from harness.load import Load
from harness.manager import Manager
from harness.waiting import eventually


def test_accepting_goes_on_for_the_delay_and_nothing_fails(serve, tmp_path):
    manager = Manager(tmp_path / "notify")
    server = serve("hello.py", "--shutdown-delay", 1, workers=2, env={"NOTIFY_SOCKET": manager.name})
    _, mark = manager.wait(READY="1")
    with Load(server, clients=4, keep_alive=False) as load:
        load.flows()
        server.terminate()
        # The readiness probe fails at once, ...
        manager.wait(after=mark, STOPPING="1")
        server.log.wait("the drain begins after the shutdown delay")
        # ... and everybody else is served.
        load.flows(50)
        assert not server.log.find("worker exited")
        load.assert_nothing_failed(at_least=50)
    assert server.wait_exit() == 0
    assert server.refuses_connections()
    manager.close()


def test_idle_connections_learn_of_it_with_their_next_answer(serve):
    server = serve("hello.py", "--shutdown-delay", 30)
    with server.connect() as client:
        assert not client.get("/").closes
        server.terminate()
        server.log.wait("the drain begins after the shutdown delay")
        eventually(lambda: server.get("/").status == 200, "it still accepts")
        response = client.get("/")
        assert (response.status, response.closes) == (200, True)


def test_a_second_term_ends_the_delay(serve):
    server = serve("hello.py", "--shutdown-delay", 600)
    server.terminate()
    server.log.wait("the drain begins after the shutdown delay")
    assert server.get("/").status == 200
    server.signal(signal.SIGTERM)
    assert server.wait_exit() == 0
    assert "killing" not in server.log.wait_end()
    assert not processes.alive(server.master)

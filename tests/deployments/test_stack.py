"""A Django site with nginx, PostgreSQL, Redis and Celery of the distribution, by the files of `rgun init compose` unchanged."""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from harness import websocket
from harness.load import Load
from harness.waiting import eventually
from stack import Stack

pytestmark = pytest.mark.skipif("DEPLOYMENTS_INSIDE" not in os.environ, reason="make deployments runs it in a network of its own")

WORKER = "celery -A config worker --concurrency 1 --loglevel info"
BEAT = "celery -A config beat --loglevel info --schedule /tmp/rgun-celerybeat"


@pytest.fixture(scope="module")
def stack(rgun):
    # PostgreSQL's user has to reach its files, and pytest's own directories are closed to others.
    with tempfile.TemporaryDirectory(prefix="rgun-stack-") as directory:
        directory = Path(directory)
        directory.chmod(0o755)
        stack = Stack(rgun, directory)
        yield stack
        stack.close()


def multipart(content):
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\nContent-Type: application/octet-stream\r\n\r\n'
    return head + content + b"\r\n--b--\r\n"


def pids(stack):
    return {worker["pid"] for worker in stack.status_of_server()["workers"]}


def companions(stack):
    return {one["name"]: one["pid"] for one in stack.status_of_server()["companions"]}


def test_serves(stack):
    with stack.serve("-w", "2"):
        first = json.loads(stack.text("/"))
        assert first["address"] == "127.0.0.1" and first["scheme"] == "http"
        assert json.loads(stack.text("/"))["rows"] == first["rows"] + 1
        assert "color" in stack.text("/static/shop/shop.css")
        content = os.urandom(3 << 20)
        with stack.connect() as client:
            name = client.post("/upload", multipart(content), headers=[("content-type", "multipart/form-data; boundary=b")]).text
        assert stack.get(f"/media/{name}").body == content
        with websocket.connect(stack) as socket:
            socket.text("hello")
            assert socket.message() == "hello"


def test_reloads_lose_nothing(stack):
    with stack.serve("-w", "2"), Load(stack, clients=8) as load:
        before = pids(stack)
        for _ in range(5):
            load.flows(50)
            stack.ctl("reload")
        load.flows(50)
        assert not before & pids(stack)
        load.assert_nothing_failed(at_least=300)
        print(f"\n5 reloads: {load.answered} requests, 0 lost")


def test_no_connection_to_the_database_is_left(stack):
    with stack.serve("-w", "2"):
        for _ in range(20):
            stack.text("/")
        before = eventually(lambda: (stack.postgres.connections(),), "counted")[0]
        with Load(stack, clients=4) as load:
            for _ in range(20):
                load.flows(10)
                stack.ctl("reload")
            load.flows(20)
            load.assert_nothing_failed(at_least=200)
        for _ in range(20):
            old = pids(stack)
            os.kill(min(old), signal.SIGKILL)
            eventually(lambda: len(pids(stack)) == 2 and pids(stack) != old, "it is replaced")
            stack.text("/")
        eventually(lambda: stack.postgres.connections() <= before, f"no more than the {before} of the beginning")
        print(f"\npg_stat_activity: {before} before, {stack.postgres.connections()} after 20 reloads ({load.answered} requests, 0 lost) and 20 kills")
    eventually(lambda: stack.postgres.connections() == 0, "the server that has ended keeps none")


@pytest.mark.parametrize("part", ["postgres", "redis"])
def test_a_service_is_restarted(stack, part):
    with stack.serve("-w", "2") as server:
        before = pids(stack)
        with Load(stack, clients=8) as load:
            load.flows(50)
            getattr(stack, part).restart()
            # The site answers each request, and again as before once its service does.
            eventually(lambda: [stack.status() for _ in range(20)] == [200] * 20, "it has recovered", timeout=30)
            answered = load.answered
            eventually(lambda: load.answered > answered + 50, "the load goes on")
            load.stop()
            assert set(load.failures) <= {"status 500"}, load.failures
        last = [exchange.status for exchange in sorted(load.exchanges, key=lambda one: one.ended)[-30:]] if hasattr(load.exchanges[0], "ended") else []
        assert set(last) <= {200}
        assert pids(stack) == before, server.log.read_text()[-3000:]
        print(f"\n{part} restarted: {load.answered} requests, {load.failures['status 500']} answered with 500 meanwhile, no worker replaced")


def test_celery_as_companions(stack):
    words = ("--beside", WORKER, "--beside", BEAT, "--graceful-timeout", "20")
    with stack.serve("-w", "2", *words) as server:
        eventually(lambda: set(companions(stack)) == {"celery", "celery-2"}, "both run")
        first = companions(stack)
        task = stack.text("/task?seconds=0.1")
        eventually(lambda: stack.text(f"/task/{task}") == "SUCCESS", "a task is done", timeout=60)
        eventually(lambda: int(stack.text("/ticks")) >= 2, "beat sends, and the worker runs what it sends", timeout=60)
        # A reload that fails leaves them alone.
        views = stack.directory / "shop" / "views.py"
        good = views.read_text()
        views.write_text("raise KeyError('broken')\n")
        try:
            assert stack.ctl("reload", check=False).returncode != 0
        finally:
            views.write_text(good)
        assert companions(stack) == first
        # A task that runs ends within the grace of the old worker; the new code's worker comes after it.
        running = stack.text("/task?seconds=3")
        eventually(lambda: "received" in server.log.read_text().rpartition(running)[0][-300:], "the worker has it", timeout=30)
        stack.ctl("reload")
        eventually(lambda: stack.text(f"/task/{running}") == "SUCCESS", "it is done", timeout=30)
        eventually(lambda: set(companions(stack).values()).isdisjoint(first.values()) and len(companions(stack)) == 2, "both are restarted", timeout=30)
        task = stack.text("/task?seconds=0.1")
        eventually(lambda: stack.text(f"/task/{task}") == "SUCCESS", "the new worker works", timeout=60)
        # TERM: the server ends when the task has.
        last = stack.text("/task?seconds=4")
        eventually(lambda: f"[{last}] received" in server.log.read_text(), "the worker has it", timeout=30)
        begun = time.monotonic()
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
        took = time.monotonic() - begun
    log = server.log.read_text()
    assert re.search(rf"\[{last}\] succeeded", log), log[-3000:]
    assert "did not stop in time" not in log
    print(f"\nTERM with a task of 4 s: ended after {took:.1f} s with code 0, the task succeeded")


def test_the_shutdown_delay_of_kubernetes(stack, rgun):
    subprocess.run([*rgun, "init", "kubernetes"], cwd=stack.directory, check=True, capture_output=True, timeout=60)
    import yaml

    deployment = yaml.safe_load((stack.directory / "deploy/kubernetes/base/deployment.yaml").read_text())
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    probe = container["readinessProbe"]["httpGet"]["path"]

    def ready():
        from harness.client import Client

        with Client.tcp("127.0.0.1", 9000) as client:
            return client.get(probe, headers=[("connection", "close")]).status

    with stack.serve(words=container["args"]) as server, Load(stack, clients=4) as load:
        assert ready() == 200
        load.flows(20)
        begun = time.monotonic()
        server.send_signal(signal.SIGTERM)
        eventually(lambda: ready() == 503, "the pod is taken out of the service")
        out = time.monotonic() - begun
        load.flows(50)
        # Kubernetes' proxies have forgotten the pod by now: no new request comes.
        load.assert_nothing_failed(at_least=70)
        assert server.wait(40) == 0
        print(f"\nTERM: not ready after {out * 1000:.0f} ms, {load.answered} requests answered until the traffic ended, 0 lost; ended after {time.monotonic() - begun:.1f} s")

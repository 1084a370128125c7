"""HUP with code that does not boot: the old code goes on serving, no request is lost, the fixed code is loaded next time."""

import signal

import pytest

from harness import processes
from harness.apps import IMPORT_ERROR, SYNTAX_ERROR, version
from harness.load import Load
from harness.waiting import eventually

LIFESPAN_FAILS = version("bad", startup='await send({"type": "lifespan.startup.failed", "message": "no cache"}); return')
# The third of four workers to be booted, identified by a directory that only one can make.
THIRD_CRASHES = version("bad", before="""
import signal
for place in range(1, 5):
    try:
        os.mkdir(f"boot{place}")
        break
    except FileExistsError:
        pass
if place == 3:
    os.kill(os.getpid(), signal.SIGKILL)
""")
BROKEN = {
    "syntax_error": (SYNTAX_ERROR, "SyntaxError"),
    "import_error": (IMPORT_ERROR, "a_module_that_nobody_has"),
    "lifespan_failure": (LIFESPAN_FAILS, "no cache"),
    "not_ready": (version("bad", health=500), "500"),
    "hangs": ("import threading\nthreading.Event().wait()\n", "boot"),
    "third_worker_crashes": (THIRD_CRASHES, "SIGKILL"),
}


@pytest.mark.both_artifacts
@pytest.mark.parametrize("kind", BROKEN)
def test_old_code_keeps_serving(app, serve, kind):
    text, told = BROKEN[kind]
    app.write(version("good"))
    server = serve(None, "--ready-path", "/healthz", "--boot-timeout", "2", workers=4)
    old = server.wait_ready(4)
    with Load(server, clients=3) as kept, Load(server, clients=2, keep_alive=False) as fresh:
        kept.flows(20)
        app.write(text)
        mark = server.log.mark()
        outcome = server.reload()
        assert "rolled back" in outcome.string
        server.log.wait(told, after=mark)
        kept.flows(20)
        fresh.flows(20)
        assert set(old.values()) <= set(server.ready_pids()), "the old workers are the same as before"
        eventually(lambda: set(server.children()) == set(old.values()), "nothing of the failed generation is left")
        assert len(server.log.find("Traceback", after=mark)) <= 1, "the traceback is logged once"

        app.write(version("fixed"))
        assert "succeeded" in server.reload().string
        eventually(lambda: fresh.bodies()[b"fixed"], "the fixed code serves")
    kept.assert_nothing_failed(at_least=50)
    fresh.assert_nothing_failed(at_least=20)
    assert b"bad" not in kept.bodies() + fresh.bodies()


def test_the_traceback_is_the_users(app, serve):
    app.write(version("good"))
    server = serve(workers=2)
    app.write("def configure():\n    raise RuntimeError('no database')\n\nconfigure()\n")
    mark = server.log.mark()
    server.reload()
    lines = server.log.lines[mark:]
    assert sum("Traceback (most recent call last)" in line for line in lines) == 1
    assert any("RuntimeError: no database" in line for line in lines)
    assert any("in configure" in line for line in lines)


def test_worker_killed_while_code_is_broken(app, serve):
    """A replacement that cannot import is tried again, paced, while the others serve; it boots once the code is repaired."""
    app.write(version("good"))
    server = serve(workers=2)
    first = server.wait_ready(2)
    app.write(SYNTAX_ERROR)
    mark = server.log.mark()
    server.signal(signal.SIGKILL, first[0])
    server.log.wait("SyntaxError", after=mark)
    with Load(server, clients=2, keep_alive=False) as load:
        load.flows(20)
        assert server.process.poll() is None, "the master never leaves while one worker serves"
        assert processes.alive(first[1])
        app.write(version("good"))
        # Pacing: 1, 2, 4, ... seconds between the attempts.
        server.log.wait(r"worker ready", after=mark, timeout=30)
        load.flows(20)
    load.assert_nothing_failed()


def test_failed_reload_with_all_workers_killed_recovers(app, serve):
    app.write(version("good"))
    server = serve(workers=1)
    app.write(SYNTAX_ERROR)
    assert "rolled back" in server.reload().string
    app.write(version("repaired"))
    mark = server.log.mark()
    server.signal(signal.SIGKILL, server.ready_pids()[0])
    server.log.wait("worker ready", after=mark)
    assert server.get().text == "repaired"

"""`rgun ctl`: the server answers an operator's requests and carries them out."""

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import termios
import unicodedata

import pytest

from harness.apps import IMPORT_ERROR, version
from harness.controlled import BLOCKS, control, in_flight  # fixture and helpers
from harness.load import Load
from harness.waiting import eventually


def test_status_shows_every_worker_and_what_it_does(control, app):
    server = control.start(2, text=BLOCKS)
    status = control.status()
    assert (status["state"], status["generation"], status["workers_wanted"], status["app"]) == ("serving", 1, 2, "app:app")
    assert status["pid"] == server.master and status["listeners"] == [f"http://127.0.0.1:{server.port}"]
    assert [worker["slot"] for worker in status["workers"]] == [0, 1]
    assert {worker["pid"] for worker in status["workers"]} == set(server.ready_pids())
    with server.connect() as client:
        client.request("GET", "/slow?x=1")

        def seen():
            found = [request for worker in control.status()["workers"] for request in worker["oldest"]]
            return [(one["method"], one["path"]) for one in found] == [("GET", "/slow")] and found[0]["age_ms"] >= 0

        eventually(seen, "the request in flight is named")
        table = control("status").stdout
        assert re.search(r"serving .* GET /slow \(", table) and "\x1b" not in table
        assert "the server has not become idle within 0.2 s" in control("wait-idle", "--timeout", 0.2, code=1).stderr
        # It ends once the request in flight has its response.
        assert "the reload goes on in the server: it did not end within 0.01 s" in control("reload", "--timeout", 0.01, code=1).stderr
        (app.path / "open").touch()
        assert client.response().status == 200
    eventually(lambda: sum(worker["requests"] for worker in control.status()["workers"]) == 1, "the request is counted")


def commands_of_a_terminal(text):
    return [character for character in text if character != "\n" and (unicodedata.category(character) == "Cc" or character in "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")]


def test_what_clients_send_commands_no_terminal(control, app):
    """ESC, BEL, CSI (C1) and a right-to-left override in a path, in an exception's text and in a server's name."""
    hostile = "%1b%5d0;owned%07%1b%5b2J%c2%9b31m%e2%80%ae"
    server = control.start(1, text=BLOCKS)
    with server.connect() as client:
        client.request("GET", f"/slow/{hostile}")
        eventually(lambda: in_flight(control) == 1, "the request is in flight")
        for words in [("stacks",), ("status",), ("status", "--json")]:
            shown = control(*words).stdout
            assert "owned" in shown and not commands_of_a_terminal(shown), words
        (app.path / "open").touch()
        assert client.response().status == 200
    app.write("raise RuntimeError('\\x1b]0;owned\\x07\\x9b\\u202e')\n")
    failed = control("reload", code=1)
    assert "owned" in failed.stderr and not commands_of_a_terminal(failed.stderr)
    assert not commands_of_a_terminal(control("status").stdout)


def test_what_a_server_says_commands_no_terminal(program, tmp_path):
    """Another server's answers are text like any other: its name, its message, what stands in the place of an answer."""
    hostile = "\x1b]0;owned\x07\x9b31m\u202e"
    answers = [{"ok": False, "message": hostile, "traceback": hostile}, {"ok": True, "message": hostile}, {"ok": True, "stacks": [{"slot": 0, "pid": 1, "way": "none", "text": hostile}]}, hostile]
    path = tmp_path / f"{hostile}.ctl"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        for answer in answers:
            asking = subprocess.Popen([*program, "ctl", "--socket", str(path), "stacks"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
                shown = "".join(asking.communicate(timeout=20))
            assert shown and not commands_of_a_terminal(shown), answer
    done = subprocess.run([*program, "ctl", "--socket", str(path), "stacks"], capture_output=True, text=True, timeout=20)
    assert "owned" in done.stderr and not commands_of_a_terminal(done.stderr)


def test_watch_draws_again_until_the_server_is_gone(control):
    server = control.start(1)
    watching = subprocess.Popen(control.command("status", "--watch"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    tables = 0
    for line in watching.stdout:
        tables += line.startswith("SLOT")
        if tables == 2:
            server.terminate()
            break
    out, err = watching.communicate(timeout=20)
    assert watching.returncode == 1 and "has ended" in err


@pytest.mark.parametrize("words, key", [(("top",), b"q"), (("status", "--watch"), b"\x03")])
def test_top_has_a_screen_of_its_own(control, words, key):
    """80 columns and 24 lines: nothing wraps or scrolls, and what stood there before comes back."""
    control.start(3)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(theirs)
    watching = subprocess.Popen(control.command(*words), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env={**os.environ, "TERM": "xterm"})
    shown = b""
    try:
        while shown.count(b"SLOT") < 2:
            shown += os.read(ours, 65536)
        os.write(ours, key)
        assert watching.wait(15) == 0
        assert termios.tcgetattr(theirs) == before
        os.set_blocking(ours, False)
        with contextlib.suppress(BlockingIOError):
            shown += os.read(ours, 65536)
    finally:
        watching.kill()
        watching.wait()
        os.close(ours), os.close(theirs)
    text = shown.decode()
    assert text.startswith("\x1b[?1049h") and text.endswith("\x1b[?1049l")
    for picture in text.split("\x1b[H\x1b[J")[1:]:
        lines = [re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", line) for line in picture.split("\r\n")]
        assert len(lines) <= 24 and all(len(line) <= 80 for line in lines), lines


def test_keys_of_top(control, app):
    control.start(1, text=version("one"))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    top = subprocess.Popen(control.command("top"), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env={**os.environ, "TERM": "xterm"})
    shown = b""

    def press(keys, until):
        nonlocal shown
        shown = b""
        os.write(ours, keys)
        while until not in shown:
            shown += os.read(ours, 65536)

    try:
        press(b"", b"q quit")
        press(b"r", b"replace all workers by new ones? y: yes")
        press(b"y", b"generation 2 serves")
        press(b"+", b"2 workers instead of 1? y: yes")
        press(b"y", b"number of workers: 2 (was 1)")
        press(b"s0\r", b"worker 0 (pid ")
        press(b"b", b"SLOT")
        app.write("broken(")
        press(b"ry", b"SyntaxError")
        press(b"q", b"\x1b[?1049l")
        assert top.wait(15) == 0
    finally:
        top.kill()
        top.wait()
        os.close(ours), os.close(theirs)
    assert control.status()["generation"] == 2 and control.status()["workers_wanted"] == 2


def test_ctrl_c_ends_the_watch(control):
    control.start(1)
    watching = subprocess.Popen(control.command("status", "--watch"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    assert watching.wait(10) == -signal.SIGINT
    watching.communicate()


def test_reload_waits_for_the_new_version(control, app):
    server = control.start(2, text=version("one"))
    with Load(server, clients=2, keep_alive=False) as load:
        load.flows()
        app.write(version("two"))
        assert "generation 2" in control("reload").stdout
        with server.connect() as client:
            assert client.get("/").body == b"two"
        load.assert_nothing_failed()
    status = control.status()
    assert (status["generation"], status["reloads"]["succeeded"], status["state"]) == (2, 1, "serving")


def test_reload_that_fails_prints_the_traceback(control, app):
    server = control.start(2, text=version("one"))
    app.write(IMPORT_ERROR)
    failed = control("reload", code=1)
    assert failed.stderr.startswith("error: reload rolled back, the old workers go on: the app could not be loaded")
    assert "Traceback (most recent call last):" in failed.stderr and "a_module_that_nobody_has" in failed.stderr
    with server.connect() as client:
        assert client.get("/").body == b"one"
    status = control.status()
    assert status["generation"] == 1 and status["reloads"]["failed"] == 1
    assert "could not be loaded" in status["reloads"]["last_failure"]
    app.write(version("two"))
    control("reload")
    assert "last_failure" not in control.status()["reloads"]


def test_scale_up_and_down(control):
    server = control.start(1)
    assert "3 (was 1)" in control("scale", 3).stdout
    control("wait-ready")
    assert len(server.ready_pids()) == 3
    control("scale", 1)
    control("wait-idle")
    eventually(lambda: len(server.ready_pids()) == 1, "one worker is left")
    assert "at least one" in control("scale", 0, code=1).stderr


def test_restart_worker_replaces_that_one_alone(control, app):
    server = control.start(2)
    before = {worker["slot"]: worker["pid"] for worker in control.status()["workers"]}
    with Load(server, clients=2, keep_alive=False) as load:
        control("restart-worker", 1)
        load.assert_nothing_failed()
    control("wait-idle")
    after = {worker["slot"]: worker["pid"] for worker in control.status()["workers"]}
    assert after[0] == before[0] and after[1] != before[1]
    assert [worker["restarts"] for worker in control.status()["workers"]] == [0, 1]
    assert "no slot 7" in control("restart-worker", 7, code=1).stderr
    app.write(IMPORT_ERROR)
    failed = control("restart-worker", 0, code=1)
    assert "a_module_that_nobody_has" in failed.stderr
    assert before[0] in server.ready_pids(), "it goes on"


def test_stop_returns_when_the_server_is_gone(control):
    server = control.start(2)
    assert control("stop").stdout == "stopped\n"
    assert server.wait_exit() == 0
    assert not control.path.exists()
    assert "there is no such socket" in control("status", code=1).stderr


def test_log_level_of_every_process(control):
    server = control.start(1)
    assert not [line for line in server.log.lines if "[DEBUG]" in line]
    control("log-level", "debug")
    with server.connect() as client:
        client.send(b"NONSENSE\r\n\r\n")
        client.rest()
    server.log.wait("request refused")
    control("log-level", "error")
    control("reload")
    assert "reload succeeded" not in server.log.text()


def test_wait_ready_begins_before_the_server(control, app, launch):
    app.write(version("late", before="time.sleep(0.3)"))
    waiting = subprocess.Popen(control.command("wait-ready"), stdout=subprocess.PIPE, text=True)
    launch("app:app", "--control-socket", control.path)
    assert waiting.wait(20) == 0 and waiting.stdout.read() == "the server is ready\n"
    waiting.stdout.close()


def test_wait_gives_up(control, tmp_path):
    assert "no such socket" in control("wait-ready", "--timeout", 0.2, code=1).stderr


@pytest.mark.parametrize("words, said", [
    (["help", "ctl"], "Verbs:"),
    (["ctl", "help"], "Verbs:"),
    (["help", "ctl", "reload"], "rgun ctl reload || exit 1"),
    (["ctl", "help", "reload"], "rgun ctl reload || exit 1"),
    (["help", "init"], "compose"),
    (["doctor", "help"], "Kubernetes"),
])
def test_help_as_a_word(program, words, said):
    shown = subprocess.run([*program, *words], capture_output=True, text=True, timeout=30)
    assert shown.returncode == 0 and said in shown.stdout, shown.stderr


@pytest.mark.parametrize("words, said", [
    (["docter"], "there is no command `docter`, and no module of that name here\nhint: did you mean `rgun doctor`?"),
    (["int"], "hint: did you mean `rgun init`?"),
    (["version"], "hint: did you mean `rgun --version`?"),
    (["init"], "<TARGET> is missing\nhint: there are systemd, nginx, compose, kubernetes, "),
    (["init", "kubernets"], "hint: did you mean `kubernetes`?"),
    (["doctor", "--jsn"], "hint: did you mean `--json`?"),
])
def test_a_command_that_is_mistyped(program, tmp_path, words, said):
    wrong = subprocess.run([*program, *words], capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert wrong.returncode == 2 and said in wrong.stderr, wrong.stderr
    assert "listening" not in wrong.stderr


def test_usage_teaches(program):
    run = lambda *words: subprocess.run([*program, "ctl", *words], capture_output=True, text=True, timeout=30)  # noqa: E731
    for words, said in (((), "error: no verb was given\nhint: there are status, "), (("explode",), "error: there is no verb `explode`\nhint: "), (("scale", "many"), "error: <N>: `many` is not a number")):
        wrong = run(*words)
        assert wrong.returncode == 2 and wrong.stderr.startswith(said), wrong.stderr
    assert "stop`?" not in run("stup").stderr
    text = run("reload", "--help")
    assert text.returncode == 0 and "rgun ctl reload || exit 1" in text.stdout

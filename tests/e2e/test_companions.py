"""Programs beside the workers: under the same master, of the same generation, and never in the way of the site."""

import json
import os
import pwd
import re
import signal
import subprocess
import sys

import pytest
from harness import processes
from harness.apps import IMPORT_ERROR
from harness.client import Client
from harness.ctl import Ctl
from harness.log import fields
from harness.waiting import PATIENCE, eventually

PYTHON = sys.executable

# Says that it runs, ends in its own way when it is told.
WORKS = """
import os, signal, sys, time
def leave(number, frame):
    os.write(1, b"finishing\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("working", *sys.argv[1:], flush=True)
while True:
    time.sleep(60)
"""
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def ctl(program, tmp_path):
    return Ctl(program, tmp_path / "ctl.sock")


@pytest.fixture
def beside(launch, app, ctl):
    """Start a server with these companions, and with a control socket."""

    def start(*commands, workers=1, options=(), ready=True, **keywords):
        if not (app.path / "app.py").exists():
            app.copy("hello.py")
        words = [word for command in commands for word in ("--beside", command)]
        server = launch("app:app", "-w", workers, "--control-socket", ctl.socket, *words, *options, **keywords)
        if ready:
            server.wait_ready(workers)
        return server

    return start


def works(app, *words):
    return " ".join([PYTHON, str(app.write(WORKS, "works.py")), *words])


def started(server, name, after=0, timeout=PATIENCE):
    """The pid of its next process."""
    line = server.log.wait(rf"companion started companion={name} .*", after=after, timeout=timeout).group()
    return int(fields(line)["pid"])


def companions(ctl):
    return {one["name"]: one for one in ctl.status().get("companions", [])}


@pytest.mark.both_artifacts
def test_runs_beside_the_workers_from_their_readiness_to_the_end(beside, app, ctl):
    server = beside(works(app, "'a b'"), workers=2)
    server.log.wait(r"^\S.*\[INFO\] python\S*: working a b$")
    text = server.log.text()
    assert text.index("all workers ready") < text.index("companion started")
    (name,) = companions(ctl)
    shown = companions(ctl)[name]
    assert shown["state"] == "running" and shown["restarts"] == 0 and shown["command"].endswith("works.py a b")
    assert re.search(rf"beside: {re.escape(name)} +running +pid {shown['pid']} ", ctl("status"))
    # Ctrl-C reaches the group of the terminal: not this one.
    assert os.getpgid(shown["pid"]) == shown["pid"]
    server.terminate()
    assert server.wait_exit() == 0
    text = server.log.wait_end()
    assert "finishing" in text and re.search(r"companion stopped .*exit=\"?(code )?0", text), text


def test_has_the_surroundings_of_the_workers(beside, app):
    (app.path / "sub").mkdir()
    app.write("print('ok')", "sub/x.py")
    app.copy("hello.py", "sub/app.py")
    app.write('import os, sys; print("in", os.getcwd(), os.environ["A"], os.environ.get("NOTIFY_SOCKET"), sys.executable, sys.stdin.read() == "", flush=True); import time; time.sleep(600)', "sub/where.py")
    app.copy("hello.py")
    server = beside("python where.py", options=("--chdir", "sub", "-e", "A=1"), env={"PATH": "/usr/bin:/bin"})
    line = server.log.wait(r"python: in .*").group()
    directory, variable, notify, executable, empty = line.split()[2:]
    assert (directory, variable, notify, empty) == (str(app.path / "sub"), "1", "None", "True")
    # The Python of the workers, though PATH has another one.
    assert os.path.dirname(executable) == os.path.dirname(server.command[0])


def test_several_have_names_of_their_own(beside, app, ctl):
    beside("sleep 600", "/bin/sleep 601", "sh -c 'exec sleep 602'")
    eventually(lambda: set(companions(ctl)) == {"sleep", "sleep-2", "sh"}, "three companions")


TOML = """
bind = "127.0.0.1:0"
[beside.mail]
command = "sh -c 'trap \\"\\" TERM; echo mail $BOX; while :; do sleep 0.1; done'"
grace = 0.2
env = { BOX = "inbox" }
[beside.beat]
command = "sh -c 'echo tick; exec sleep 600'"
"""


def test_a_file_says_more_of_each(launch, app, ctl):
    app.copy("hello.py")
    app.write(TOML, "rgun.toml")
    server = launch("app:app", "--control-socket", ctl.socket, bind=())
    server.log.wait(r"mail: mail inbox$")
    server.log.wait(r"beat: tick$")
    server.terminate()
    assert server.wait_exit() == 0
    assert re.search(r"companion did not stop in time, killing it companion=mail .*after_ms=2\d\d\b", server.log.wait_end())


REOPENS = """
bind = "127.0.0.1:0"
[beside.logs]
command = "sh -c 'trap \\"echo again\\" HUP; echo logs; while :; do sleep 0.05; done'"
reopen = "HUP"
[beside.plain]
command = "sh -c 'echo plain; exec sleep 600'"
"""


def test_one_with_log_files_opens_them_again_with_the_server(launch, app, ctl):
    app.copy("hello.py")
    app.write(REOPENS, "rgun.toml")
    server = launch("app:app", "--control-socket", ctl.socket, bind=())
    server.log.wait(r"logs: logs$")
    server.log.wait(r"plain: plain$")
    before = {name: one["pid"] for name, one in companions(ctl).items()}
    server.signal(signal.SIGUSR1)
    server.log.wait(r"logs: again$")
    # One that would end by a signal gets none.
    assert {name: one["pid"] for name, one in companions(ctl).items()} == before


def test_a_gunicorn_file_has_a_list(launch, app):
    app.copy("hello.py")
    app.write('beside = ["sh -c \'echo one; exec sleep 600\'", "sh -c \'echo two; exec sleep 600\'"]\n', "gunicorn.conf.py")
    server = launch("app:app")
    server.log.wait(r"sh: one$")
    server.log.wait(r"sh-2: two$")


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ('[beside."a b"]\ncommand = "true"\n', 1, "bad name `a b`"),
        ('[beside.mail]\ngrace = 1\n', 1, "the companion `mail`, which has no `command`"),
        ('workers = 1\n[beside.mail]\ncommand = "true"\ngrase = 1\n', 2, "unknown key `grase`"),
        ('[beside.mail]\ncommand = "a \'b"\n', 1, "a quote that is not closed"),
    ],
)
def test_a_mistake_is_shown_where_it_stands(launch, app, text, line, problem):
    app.copy("hello.py")
    app.write(text, "rgun.toml")
    server = launch("app:app")
    assert server.wait_exit() == 1
    assert re.search(rf"rgun\.toml:{line}\b.*{re.escape(problem)}", server.log.wait_end()), server.log.text()


def test_a_command_that_is_not_there_is_found_by_the_check(program, app):
    app.copy("hello.py")
    check = [*program, "app:app", "--check-config", "--beside"]
    done = subprocess.run([*check, "no-such-program run"], cwd=app.path, capture_output=True, text=True)
    # It harms no server.
    assert done.returncode == 0 and "--beside: the program is not found" in done.stderr and "name=no-such-program" in done.stderr
    done = subprocess.run([*check, "sh -c true"], cwd=app.path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_one_that_cannot_run_or_crashes_never_harms_the_site(beside, ctl):
    server = beside("/no/such/program", "sh -c 'echo no broker >&2; exit 7'")
    server.log.wait(r"companion not started companion=program .*no such file", count=2)
    line = server.log.wait(r"companion exited companion=sh .*failures=3.*").group()
    assert "exit=" in line and "7" in fields(line)["exit"] and fields(line)["delay_ms"] == "2000"
    server.log.wait(r"\[INFO\] sh: no broker$", count=3)
    assert companions(ctl)["sh"]["restarts"] >= 3
    assert server.get("/").status == 200
    server.terminate()
    assert server.wait_exit() == 0


def test_one_that_is_killed_is_started_again_and_what_it_had_started_ends(beside, app, ctl):
    server = beside("sh -c 'sleep 600 & echo child $!; wait'")
    child = int(server.log.wait(r"sh: child (\d+)").group(1))
    pid, mark = started(server, "sh"), server.log.mark()
    os.kill(pid, signal.SIGKILL)
    assert started(server, "sh", after=mark) != pid
    eventually(lambda: not processes.alive(child), "the child of the one that is gone is gone")


def test_reload_restarts_them_only_when_it_is_promoted(beside, app, ctl):
    server = beside(works(app))
    (name,) = companions(ctl)
    pid, mark = started(server, name), server.log.mark()
    app.write(IMPORT_ERROR)
    assert "rolled back" in server.reload().group()
    assert companions(ctl)[name]["pid"] == pid
    assert not server.log.find("finishing", after=mark)
    app.copy("hello.py")
    assert "succeeded" in server.reload().group()
    assert started(server, name, after=mark) != pid
    # Never two of them.
    text = server.log.text()
    assert text.rindex("reload succeeded") < text.rindex("finishing") < text.rindex("companion started")
    assert companions(ctl)[name]["restarts"] == 0


def test_reload_takes_them_away_and_brings_others(launch, app, ctl):
    app.copy("hello.py")
    app.write('[beside.one]\ncommand = "sleep 600"\n[beside.two]\ncommand = "sleep 601"\n', "rgun.toml")
    server = launch("app:app", "--control-socket", ctl.socket)
    eventually(lambda: (app.path / "rgun.toml").exists() and server.log.find("companion started companion=two"), "both run")
    app.write('[beside.two]\ncommand = "sleep 602"\n[beside.three]\ncommand = "sleep 603"\n', "rgun.toml")
    assert "succeeded" in server.reload().group()

    def commands():
        return {name: one.get("command") for name, one in companions(ctl).items()}

    eventually(lambda: commands() == {"two": "sleep 602", "three": "sleep 603"}, "those of the new file run")


def test_operator_restarts_one(beside, app, ctl):
    server = beside(works(app), "sh -c 'exit 3'")
    name = next(name for name in companions(ctl) if name != "sh")
    pid = started(server, name)
    assert f"{name} runs anew" in ctl("restart", name)
    assert companions(ctl)[name]["pid"] != pid and not processes.alive(pid)
    assert "there is no companion celery; there are: " in ctl("restart", "celery", code=1)
    # One that waits between two failures is started at once.
    server.log.wait(r"companion exited companion=sh .*failures=3")
    mark = server.log.mark()
    ctl("restart", "sh")
    started(server, "sh", after=mark, timeout=1.5)
    assert server.get("/").status == 200


def test_stop_kills_what_does_not_listen_with_all_that_it_started(beside, app):
    stubborn = app.write(STUBBORN, "stubborn.py")
    server = beside(f"{PYTHON} {stubborn}", options=("--graceful-timeout", "1"))
    child = int(server.log.wait(r": child (\d+)").group(1))
    server.terminate()
    assert server.wait_exit() == 0
    assert not processes.alive(child)
    assert "companion did not stop in time, killing it" in server.log.wait_end()


def test_fast_stop_does_not_wait_for_their_grace(beside, app):
    stubborn = app.write(STUBBORN, "stubborn.py")
    server = beside(f"{PYTHON} {stubborn}", options=("--graceful-timeout", "300"))
    server.log.wait(r": child (\d+)")
    server.signal(signal.SIGINT)
    assert server.wait_exit(timeout=10) == 0


def test_dies_with_a_master_that_is_killed(beside, app):
    server = beside(works(app))
    pid = int(server.log.wait(r"companion started .*pid=(\d+)").group(1))
    server.log.wait("working")
    server.signal(signal.SIGKILL)
    eventually(lambda: not processes.alive(pid), "it ended")
    eventually(lambda: not [pid for pid in server.leftovers() if processes.alive(pid)], "all others, too")


def test_is_not_started_when_the_first_boot_fails(launch, app):
    app.write(IMPORT_ERROR)
    server = launch("app:app", "--beside", "sh -c 'echo here'")
    assert server.wait_exit() == 3
    assert "here" not in server.log.wait_end().replace("--beside", "")


def test_long_lines_are_cut_and_a_flood_does_not_hold_the_master(beside, app, ctl):
    app.write("print('x' * 100_000, flush=True); print('short', flush=True); import time; time.sleep(600)", "long.py")
    server = beside(f"{PYTHON} long.py", "yes")
    server.log.wait(r": short$")
    (line,) = server.log.find(r"\bxxxx")
    assert 2000 < len(line) < 2200 and line.endswith("...")
    server.log.wait(r"companion prints too much, lines dropped companion=yes lines=\d\d+")
    # The one thread of the master still does what it is for.
    for _ in range(3):
        assert companions(ctl)["yes"]["state"] == "running"
    before = processes.cpu_seconds(server.master)
    mark = server.log.mark()
    server.log.wait(r"companion prints too much", after=mark, count=2)
    assert processes.cpu_seconds(server.master) - before < 1.5
    server.terminate()
    assert server.wait_exit() == 0


def test_no_level_hides_what_they_print(beside):
    server = beside("sh -c 'echo lost?; exec sleep 600'", options=("--log-level", "error", "--log-format", "json"), ready=False)
    record = json.loads(server.log.wait(r".*lost\?.*").group())
    assert (record["message"], record["companion"]) == ("lost?", "sh")


def test_metrics_name_them(beside):
    server = beside("sleep 600", "sh -c 'exit 1'", options=("--admin-bind", "127.0.0.1:0"))
    port = int(server.log.wait(r"probes and metrics address=\"?http://127\.0\.0\.1:(\d+)").group(1))

    def metrics():
        with Client.tcp("127.0.0.1", port) as client:
            return client.get("/-/metrics", headers=[("connection", "close")]).text

    eventually(lambda: 'rgun_companion_up{name="sleep"} 1\n' in metrics(), "it runs")
    eventually(lambda: re.search(r'rgun_companion_restarts_total\{name="sh"\} [1-9]', metrics()), "the other one fails")
    assert 'rgun_companion_restarts_total{name="sleep"} 0\n' in metrics()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_runs_as_the_user_of_the_workers(beside, app):
    for directory in [app.path, *app.path.parents]:
        if directory.stat().st_uid == 0 and str(directory).startswith("/tmp/pytest"):
            directory.chmod(0o755)
    server = beside("sh -c 'id -u; id -G; exec sleep 600'", options=("--user", "nobody", "--group", "nogroup"))
    nobody = pwd.getpwnam("nobody")
    server.log.wait(rf"sh: {nobody.pw_uid}$")
    server.log.wait(rf"sh: {nobody.pw_gid}$")


@pytest.mark.both_artifacts
def test_they_run_on_over_an_upgrade(beside, app, ctl):
    app.write(WORKS, "works.py")
    server = beside(f"{PYTHON} works.py", "sh -c 'printf begun; while ! [ -e go ]; do sleep 0.05; done; echo \" and ended\"; exec sleep 600'")
    server.log.wait("working")
    eventually(lambda: all(one["state"] == "running" for one in ctl.status()["companions"]), "both run")
    before = {one["name"]: one["pid"] for one in ctl.status()["companions"]}
    ctl("upgrade", "--no-reload")
    after = {one["name"]: one["pid"] for one in ctl.status()["companions"]}
    assert after == before
    # What they print is read on, from within a line.
    (app.path / "go").touch()
    server.log.wait("begun and ended")
    # They are the master's children still: one that ends is started again, and counted.
    (python,) = [name for name in before if name != "sh"]
    os.kill(before[python], signal.SIGKILL)
    server.log.wait("companion exited")
    server.log.wait("working", count=2)
    restarts = {one["name"]: one["restarts"] for one in ctl.status()["companions"]}
    assert restarts == {python: 1, "sh": 0}
    # The counters outlive one, and a reload that succeeds restarts them as ever.
    ctl("upgrade")
    server.log.wait("finishing")
    server.log.wait("working", count=3)
    restarts = {one["name"]: one["restarts"] for one in ctl.status()["companions"]}
    assert restarts[python] == 1
    server.terminate()
    assert server.wait_exit() == 0
    assert not server.leftovers()


def test_one_that_ends_during_an_upgrade_is_reaped(beside, app, ctl):
    server = beside("sh -c 'sleep 0.3'")
    server.log.wait("companion exited")
    for _ in range(3):
        ctl("upgrade", "--no-reload")
    mark = server.log.mark()
    server.log.wait("companion exited", after=mark)
    eventually(lambda: not processes.zombies(server.master), "all are reaped")


def test_one_that_stops_during_an_upgrade_keeps_its_grace(beside, app, ctl):
    app.write(STUBBORN, "stubborn.py")
    server = beside(f"{PYTHON} stubborn.py", options=("--graceful-timeout", "3"))
    child = int(server.log.wait(r"child (\d+)").group(1))
    restart = ctl.begin("restart", ctl.status()["companions"][0]["name"])
    server.log.wait("command received on the control socket.*restart")
    ctl("upgrade", "--no-reload")
    server.log.wait("did not stop in time, killing it")
    # The client that has asked before the upgrade is answered by the program after it.
    restart.end()
    eventually(lambda: not processes.alive(child), "what it has started is gone")

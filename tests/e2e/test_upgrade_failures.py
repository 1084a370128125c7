"""A new program that cannot go on: it is found out before the upgrade, or left again; the workers serve all the while."""

import os
import re
import signal

import pytest
from harness import processes
from harness.load import Load
from harness.upgrade import replace
from harness.waiting import eventually


class Unharmed:
    """What serves is as it was, and no request was lost."""

    def __init__(self, server, ctl):
        self.server, self.ctl = server, ctl
        self.workers = sorted(ctl.workers(1))
        self.loads = [Load(server, clients=2), Load(server, clients=2, keep_alive=False)]

    def __enter__(self):
        for load in self.loads:
            load.__enter__()
            load.flows(10)
        return self

    def __exit__(self, *failure):
        for load in self.loads:
            if failure[0] is None:
                load.flows(20)
            load.__exit__(*failure)
        if failure[0] is None:
            for load in self.loads:
                load.assert_nothing_failed(at_least=30)
            assert self.ctl.status()["pid"] == self.server.master
            assert sorted(self.ctl.workers(1)) == self.workers
            assert self.server.log.find("upgrade failed, the running program goes on")
            assert "succeeded" in self.server.reload().group(0)


@pytest.mark.both_artifacts
@pytest.mark.parametrize(
    "text, reason",
    [
        (None, "no such file"),
        ("#!/bin/sh\necho it is broken >&2\nexit 1\n", "exit code 1: it is broken"),
        ("#!/bin/sh\nexit 0\n", "did not answer --upgrade-check"),
        ("#!/bin/sh\nkill -SEGV $$\n", "ended by SIGSEGV"),
        ("#!/bin/sh\nexec sleep 600\n", "no answer within 2 s"),
        ("#!/nowhere/python\n", "no such file"),
    ],
    ids=["gone", "fails", "lies", "crashes", "hangs", "without-interpreter"],
)
def test_a_program_that_cannot_take_over_is_not_started(program, start_installed, installed, text, reason):
    server, ctl = start_installed("--upgrade-timeout", "2")
    ctl.program = program
    workers = sorted(ctl.workers(1))
    with Load(server, clients=2) as load:
        load.flows(10)
        replace(installed, text)
        said = ctl("upgrade", code=1)
        assert "not upgraded, the server is as it was" in said and reason in said
        load.flows(20)
    load.assert_nothing_failed()
    assert sorted(ctl.workers(1)) == workers
    assert server.log.find("upgrade failed, the running program goes on")


CHECK = 'test "$1" = --upgrade-check && exec {program} "$@"\n'


@pytest.mark.both_artifacts
@pytest.mark.parametrize(
    "text, reason",
    [
        ("kill -SEGV $$", "was ended by SIGSEGV"),
        ("echo no library >&2; exit 127", "ended with exit code 127: no library"),
        ("exec {program} --no-such-option", "ended with exit code"),
        ("exit 0", "ended without having read the state"),
        ("exec sleep 600", "no answer within 2 s"),
    ],
    ids=["crashes", "exits", "fails", "ends", "hangs"],
)
def test_a_program_that_only_answers_the_check_is_found_out(program, start_installed, installed, text, reason):
    server, ctl = start_installed("--upgrade-timeout", "2")
    ctl.program = program
    descriptors = len(processes.descriptors(server.master))
    with Unharmed(server, ctl):
        replace(installed, "#!/bin/sh\n" + (CHECK + text + "\n").format(program=program[0]))
        said = ctl("upgrade", code=1)
        assert "not upgraded, the server is as it was: the new program, started as for the upgrade," in said and reason in said
    assert not server.log.find("handing over")
    eventually(lambda: len(processes.descriptors(server.master)) <= descriptors + 1, "no descriptor is left over")


def test_the_trial_has_the_words_and_the_environment_of_the_upgrade(program, start_installed, installed, tmp_path):
    server, ctl = start_installed()
    replace(installed, f'#!/bin/sh\n(echo "$0" "$@"; env | grep -v ^__RGUN_STATE= | sort) > {tmp_path}/run.$$\nexec {program[0]} "$@"\n')
    ctl.program = program
    ctl("upgrade", "--no-reload")
    runs = {int(path.suffix[1:]): path.read_text() for path in tmp_path.glob("run.*")}
    asked, tried = (text for pid, text in sorted(runs.items()) if pid != server.master)
    assert "--upgrade-check" in asked
    assert tried == runs[server.master]


@pytest.mark.both_artifacts
def test_a_program_that_ends_in_the_place_of_the_master_is_left_again(program, start_installed, installed):
    server, ctl = start_installed()
    ctl.program = program
    with Unharmed(server, ctl):
        replace(installed, f'#!/bin/sh\ntest $$ = {server.master} && exec {program[0]} --no-such-option\nexec {program[0]} "$@"\n')
        assert "the new program ended with exit code" in ctl("upgrade", code=1)
        assert server.log.find("handing over")


# Read once by the new program in the place of the master, and then never finished.
STUCK = """
import os, time
if os.path.exists("stick") and os.getppid() == {master}:
    os.rename("stick", "stuck")
    with open("reader", "w") as file:
        file.write(str(os.getpid()))
    while True:
        time.sleep(60)
"""


@pytest.mark.both_artifacts
@pytest.mark.parametrize(
    "ending, reason",
    [
        (None, "the new program had not taken over within --upgrade-timeout"),
        (signal.SIGSEGV, "the new program crashed (SIGSEGV) before it had taken over"),
        (signal.SIGABRT, "the new program crashed (SIGABRT) before it had taken over"),
    ],
    ids=["hangs", "crashes", "aborts"],
)
def test_a_program_that_fails_in_the_place_of_the_master_is_left_again(program, app, start_installed, ending, reason):
    server, ctl = start_installed("--upgrade-timeout", "2" if ending is None else "60")
    with Unharmed(server, ctl):
        app.write(STUCK.format(master=server.master), "gunicorn.conf.py")
        app.write("", "stick")
        running = ctl.begin("upgrade")
        eventually((app.path / "stuck").exists, "the new program is in the place of the master")
        if ending:
            os.kill(server.master, ending)
        assert reason in running.end(code=1)
        server.log.wait(re.escape(reason))
        reader = int((app.path / "reader").read_text())
        eventually(lambda: not processes.alive(reader), "what it had started has ended")
    eventually(lambda: not processes.zombies(server.master), "every child is waited for")
    assert "generation 3 serves" in ctl("upgrade")

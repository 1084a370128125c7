"""A CPU quota that is changed while the server runs (the resize of a pod in place): `-w auto` follows it."""

import os
import subprocess

import pytest
from harness.ctl import Ctl
from harness.log import fields
from harness.waiting import stays

LINE = "number of workers follows the CPUs.*"


class Quota:
    """A control group of version 2, of files instead of the kernel's."""

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir()

    def set(self, cpus):
        scratch = self.directory.parent / "cpu.max"
        scratch.write_text(f"{cpus * 100_000} 100000\n")
        scratch.rename(self.directory / "cpu.max")


@pytest.fixture
def quota(tmp_path, program):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one CPU is not enough")
    group = tmp_path / "group"
    command = ["unshare", "--mount", "sh", "-c", f'mount --bind {group} /sys/fs/cgroup && exec "$@"', "sh"]
    made = Quota(group)
    if subprocess.run([*command, "true"], capture_output=True).returncode != 0:
        pytest.skip("no mount namespace can be made here")
    if not any(line.startswith("0::") for line in open("/proc/self/cgroup")):
        pytest.skip("no control groups of version 2 here")
    program[:0] = command
    yield made
    del program[:len(command)]


@pytest.fixture
def served(launch, app, quota, tmp_path):
    def start(workers):
        app.copy("hello.py")
        server = launch("app:app", "-w", workers, "--control-socket", tmp_path / "ctl")
        server.wait_ready()
        return server

    return start


def test_auto_follows(served, quota):
    quota.set(1)
    server = served("auto")
    assert len(server.ready_pids()) == 1
    quota.set(2)
    line = fields(server.log.wait(LINE).string)
    assert (line["cpus"], line["from"], line["to"]) == ("2", "1", "2")
    server.wait_ready(2)
    mark = server.log.mark()
    server.signal(1)
    server.wait_ready(2, generation=2)
    quota.set(1)
    line = fields(server.log.wait(LINE, after=mark).string)
    assert (line["from"], line["to"]) == ("2", "1")
    server.log.wait("worker exited slot=1 generation=2")
    assert server.get().status == 200
    assert len(server.log.find(LINE)) == 2, "one line for each change"


def test_the_ends_of_a_range_follow(served, quota):
    quota.set(1)
    server = served("auto..auto*2")
    quota.set(2)
    line = fields(server.log.wait(LINE).string)
    assert (line["from"], line["to"], line["least"], line["most"]) == ("1", "2", "2", "4")
    server.wait_ready(2)


def test_a_number_that_an_operator_has_set_stays(served, quota, program, tmp_path):
    quota.set(1)
    server = served("auto")
    Ctl(program, tmp_path / "ctl")("scale", 3)
    server.wait_ready(3)
    quota.set(2)
    stays(lambda: not server.log.find(LINE), "the number is the operator's", 2.5)
    assert len(server.ready_pids()) == 3

"""Wherever pip put it: the wheel's program finds its environment, and the workers are that environment's Python."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.server import Server

pytestmark = [pytest.mark.wheel]


@pytest.fixture(scope="module")
def package(program, pytestconfig):
    """The directory of the installed package, whatever Python it is for."""
    if pytestconfig.getoption("--binary") == "embedded":
        pytest.skip("about the wheel")
    python = Path(program[0]).with_name("python")
    code = "import os, rgun; print(os.path.dirname(os.path.abspath(rgun.__file__)))"
    return python, Path(subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip())


def install(package, packages):
    shutil.copytree(package, packages / "rgun", ignore=shutil.ignore_patterns("__pycache__"))


def facts(command, app, env=None):
    with Server(command, app.path, env=env) as server:
        server.wait_ready()
        return json.loads(server.get().body)


@pytest.fixture
def site(app):
    app.copy("process.py")
    return app


@pytest.fixture
def environment(tmp_path, package):
    """A virtual environment in a path with blanks, without pip, with the package in it and a console script as pip makes it."""
    python, source = package
    place = tmp_path / "a path with blanks" / "ve"
    subprocess.run([python, "-m", "venv", "--without-pip", place], check=True)
    (packages,) = place.glob("lib/python*/site-packages")
    install(source, packages)
    return place


def console_script(place):
    script = place / "bin" / "rgun"
    # pip writes `#!/bin/sh` with an exec where the path has blanks; the Python below it is the same.
    script.write_text("import sys\nfrom rgun.__main__ import main\nif __name__ == '__main__':\n    sys.exit(main())\n")
    return [str(place / "bin" / "python"), str(script)]


def test_in_a_path_with_blanks(site, environment):
    found = facts(console_script(environment), site)
    assert found["prefix"] == str(environment)
    assert found["argv0"] == str(environment / "bin" / "rgun")


def test_as_a_module(site, environment):
    found = facts([str(environment / "bin" / "python"), "-m", "rgun"], site)
    assert found["prefix"] == str(environment)
    assert found["path"][0] in ("", str(site.path))


def test_as_a_function(site, environment):
    command = [str(environment / "bin" / "python"), "-c", "import sys, rgun; rgun.run(*sys.argv[1:])"]
    assert facts(command, site)["prefix"] == str(environment)


def test_by_a_path_that_is_a_symlink(site, environment, tmp_path):
    link = tmp_path / "current"
    link.symlink_to(environment)
    found = facts([str(link / "bin" / "python"), "-m", "rgun"], site)
    assert Path(found["prefix"]).samefile(environment)


def test_with_flags_of_the_interpreter(site, environment):
    """Isolated, optimised, with warnings: what the console script was started with, the workers run with."""
    python = str(environment / "bin" / "python")
    site.write(
        "import sys, warnings\nfrom process import app\n"
        "print('flags', sys.flags.isolated, sys.flags.optimize, 'dev' in sys._xoptions, sys.warnoptions, flush=True)\n"
    )
    site.copy("process.py", "process.py")
    with Server([python, "-I", "-O", "-X", "dev", "-W", "error::FutureWarning", "-m", "rgun"], site.path) as server:
        server.wait_ready()
        assert "flags 1 1 True" in server.log.wait("^flags .*").string
        assert "error::FutureWarning" in server.log.wait("^flags .*").string
        assert json.loads(server.get().body)["prefix"] == str(environment)


def test_with_pythonpath(site, environment):
    site.write("NAME = 'found by PYTHONPATH'\n", "library/only_there.py")
    site.write("import only_there\nfrom process import app\nprint(only_there.NAME, flush=True)\n")
    site.copy("process.py", "process.py")
    with Server([str(environment / "bin" / "python"), "-m", "rgun"], site.path, env={"PYTHONPATH": str(site.path / "library")}) as server:
        server.wait_ready()
        server.log.wait("found by PYTHONPATH")


def test_an_agent_that_takes_itself_out_of_pythonpath_still_meets_the_workers(site, environment):
    """As opentelemetry-instrument does, so that child processes are not instrumented."""
    site.write("import os\nprint('agent in', os.getpid(), flush=True)\nos.environ['PYTHONPATH'] = ''\n", "agent/sitecustomize.py")
    with Server([str(environment / "bin" / "python"), "-m", "rgun"], site.path, env={"PYTHONPATH": str(site.path / "agent")}) as server:
        worker = server.wait_ready()[0]
        server.log.wait(f"agent in {worker}$")


def test_in_the_users_site(site, package, tmp_path):
    """`pip install --user`."""
    python, source = package
    base = subprocess.run([python, "-c", "import os, sys; print(os.path.realpath(sys.executable))"], check=True, capture_output=True, text=True)
    python = base.stdout.strip()
    environment = {**os.environ, "PYTHONUSERBASE": str(tmp_path / "user")}
    where = subprocess.run([python, "-m", "site", "--user-site"], capture_output=True, text=True, env=environment).stdout.strip()
    os.makedirs(where)
    install(source, Path(where))
    found = facts([python, "-m", "rgun"], site, env={"PYTHONUSERBASE": environment["PYTHONUSERBASE"]})
    assert found["user_site"] is True and where in found["path"]
    assert found["prefix"] != sys.prefix


def test_an_app_called_like_a_part_of_the_package(app, environment):
    """The package's own directory is not on the path: an app may have any name."""
    for name in ("_site", "_hosted"):
        app.copy("hello.py", f"{name}.py")
        with Server([str(environment / "bin" / "python"), "-m", "rgun"], app.path, f"{name}:app") as server:
            server.wait_ready()
            assert server.get().text == "Hello, world!"


def test_the_package_tells_its_version_and_its_exception(package):
    python, _ = package
    code = "import rgun; print(rgun.__version__, issubclass(rgun.ClientDisconnected, OSError), sorted(set(dir(rgun)) & {'run', '__version__'}))"
    shown = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout
    assert shown.split(maxsplit=1)[1] == "True ['__version__', 'run']\n"


def test_the_manual_page_and_completions_are_installed(package, program):
    """Where `man` and bash-completion look for those of a program on PATH."""
    share = Path(program[0]).parent.parent / "share"
    if not (share / "man").is_dir():
        pytest.skip("installed for development, without the wheel's data")
    assert ".TH" in (share / "man/man1/rgun.1").read_text()
    for place in ("bash-completion/completions/rgun", "zsh/site-functions/_rgun", "fish/vendor_completions.d/rgun.fish"):
        assert "graceful-timeout" in (share / place).read_text()
    done = subprocess.run(["bash", "-n", str(share / "bash-completion/completions/rgun")], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr

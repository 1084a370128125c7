"""Where settings come from: files, variables, options; their precedence, and the messages about errors."""

import json
import os
import signal
import subprocess

import pytest
from harness.place import ROOT

@pytest.fixture
def ask(program, app):
    """Run the program to its end, in the app's directory."""

    def run(*arguments, **variables):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("RGUN", "GUNICORN_"))}
        return subprocess.run(
            [*program, *map(str, arguments)], cwd=app.path, env={**environment, **variables}, capture_output=True, text=True, timeout=30, check=False,
        )

    return run


def line(answer, name):
    assert answer.returncode == 0, answer.stderr
    (found,) = [line for line in answer.stdout.splitlines() if line.startswith(f"{name} = ")]
    return found


def test_each_value_is_shown_with_its_source(ask, app):
    app.write('bind = [":8001", "unix:rgun.sock"]\n\nthreads = 3\nworkers = 2\n', "rgun.toml")
    answer = ask("--print-config", "--backlog", "7", GUNICORN_CMD_ARGS="--timeout 5", RGUN_CMD_ARGS="--keep-alive 6", RGUN_WORKERS="4", WEB_CONCURRENCY="9")
    for name, expected in [
        ("bind", 'bind = [":8001", "unix:rgun.sock"]  # rgun.toml:1'),
        ("threads", "threads = 3  # rgun.toml:3"),
        ("timeout", "timeout = 5  # GUNICORN_CMD_ARGS"),
        ("keepalive", "keepalive = 6  # RGUN_CMD_ARGS"),
        ("workers", "workers = 4  # $RGUN_WORKERS"),
        ("backlog", "backlog = 7  # command line"),
        ("graceful_timeout", "graceful_timeout = 30  # default"),
    ]:
        assert line(answer, name) == expected
    # It can be kept as a file.
    app.write(answer.stdout, "rgun.toml")
    assert line(ask("--print-config"), "backlog").startswith("backlog = 7  # rgun.toml:")


def test_what_differs_from_the_defaults_is_shown_alone(ask, app):
    app.write("timeout = 30\n", "rgun.toml")
    answer = ask("--print-config", "--changed", "--backlog", "7", RGUN_WORKERS="4")
    assert answer.returncode == 0
    assert answer.stdout == "# Where to listen\nbacklog = 7  # command line\n\n# Workers\nworkers = 4  # $RGUN_WORKERS\n"


def test_printing_also_checks_the_app(ask, app):
    app.write("raise SystemError('no such thing')")
    answer = ask("app:app", "--print-config")
    assert answer.returncode == 1 and "no such thing" in answer.stderr
    assert 'wsgi_app = "app:app"  # command line' in answer.stdout
    app.copy("hello.py")
    assert ask("app:app", "--print-config").returncode == 0


def test_it_serves_by_a_toml_file(launch, app):
    app.copy("hello.py")
    app.write('app = "app:app"\nworkers = 2\n[env]\nSTAGE = "x"\n', "rgun.toml")
    server = launch(None)
    server.wait_ready(2)
    assert server.get("/").status == 200


def test_a_project_file_and_a_file_that_is_named(ask, app):
    app.write("[tool.rgun]\nworkers = 2\n", "pyproject.toml")
    assert line(ask("--print-config"), "workers") == "workers = 2  # pyproject.toml:2"
    app.write("workers = 3\n", "conf/other.toml")
    assert line(ask("--print-config", "-c", "conf/other.toml"), "workers") == "workers = 3  # conf/other.toml:1"
    assert line(ask("--print-config", RGUN_CONFIG="conf/other.toml"), "workers") == "workers = 3  # conf/other.toml:1"
    assert line(ask("--print-config", "-c", "pyproject.toml"), "workers") == "workers = 2  # pyproject.toml:2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# x\nwokers = 2\n", "error: rgun.toml:2: there is no setting `wokers`\n  |\n2 | wokers = 2\n  | ^^^^^^\nhint: did you mean `workers`?\n"),
        ('\n\ntimeout = "soon"\n', "error: rgun.toml:3: timeout: `soon` is not a duration"),
        ("workers = [1]\n", "error: rgun.toml:1: workers must be a number, not an array\n"),
        ("workers = \n", "error: rgun.toml:1: "),
    ],
)
def test_a_mistake_has_its_line(ask, app, text, message):
    app.copy("hello.py")
    app.write(text, "rgun.toml")
    answer = ask("app:app")
    assert answer.returncode == 1
    assert answer.stderr.startswith(message)


def test_two_files_have_to_be_told_apart(ask, app):
    app.write("workers = 2\n", "rgun.toml")
    app.write("workers = 3\n", "gunicorn.conf.py")
    answer = ask("--print-config")
    assert answer.returncode == 1 and "`-c rgun.toml`" in answer.stderr
    assert line(ask("--print-config", "-c", "rgun.toml"), "workers") == "workers = 2  # rgun.toml:1"


def test_an_address_that_cannot_be_opened_is_named_with_its_source(ask, app):
    app.copy("hello.py")
    # Of a network for documentation (RFC 5737): no machine has it.
    for options in ([], ["--in-process"], ["--check-config"]):
        answer = ask("app:app", *options, RGUN_BIND="127.0.0.1:0,192.0.2.1:8000,plain")
        assert answer.returncode == 1
        assert "error: bind 192.0.2.1:8000: " in answer.stderr and "comes from $RGUN_BIND\n" in answer.stderr, answer.stderr
    app.write('bind = "no-such-host.invalid:0,plain"\n', "gunicorn.conf.py")
    assert "hint: the address comes from gunicorn.conf.py: bind\n" in ask("app:app").stderr
    assert "comes from" not in ask("app:app", "-b", "192.0.2.1:8000").stderr


def test_a_file_in_another_encoding_is_named_with_its_line(ask, app):
    app.path.joinpath("rgun.toml").write_bytes(b"workers = 2\n# caf\xe9\n")
    answer = ask("app:app", "--check-config")
    assert (answer.returncode, answer.stderr) == (1, "error: rgun.toml:2: is not UTF-8\nhint: save the file as UTF-8\n")


def test_variables_that_kubernetes_injects_mean_nothing(launch, app):
    app.copy("hello.py")
    server = launch("app:app", env={"RGUN_PORT": "tcp://10.0.0.1:80", "RGUN_SERVICE_HOST": "10.0.0.1", "RGUN_WOKERS": "4"})
    server.wait_ready()
    assert server.log.find("RGUN_WOKERS names no setting; did you mean RGUN_WORKERS")
    assert not server.log.find("RGUN_PORT|RGUN_SERVICE")


def test_a_reload_reads_the_file_again_and_a_wrong_one_changes_nothing(launch, app):
    app.copy("hello.py")
    app.write("workers = 1\n", "rgun.toml")
    server = launch("app:app")
    server.wait_ready(1)
    app.write("workers = many\n", "rgun.toml")
    server.signal(signal.SIGHUP)
    server.log.wait("the configuration is wrong: rgun.toml:1: ")
    assert server.get("/").status == 200
    app.write("workers = 2\n", "rgun.toml")
    assert "succeeded" in server.reload().group()
    server.wait_ready(2, generation=3)


def test_the_schema_is_one():
    schema = json.loads((ROOT / "docs" / "rgun.schema.json").read_text())
    assert schema["properties"]["workers"]["type"] == ["integer", "string"]
    assert schema["additionalProperties"] is False
    assert schema["$id"] == "urn:rgun:schema:rgun.toml"

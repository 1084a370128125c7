"""gunicorn.conf.py: run by a process of its own, at the start and for each reload; never by the master."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from harness.waiting import eventually

pytestmark = [pytest.mark.both_artifacts]

# As projects have them: computed values, helpers, what gunicorn ignores.
DJANGO = """
import multiprocessing
import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent
cores = multiprocessing.cpu_count()

wsgi_app = "app:app"
bind = [f"unix:{BASE_DIR}/site.sock", "127.0.0.1:0"]
workers = int(os.environ.get("WORKERS", min(cores * 2 + 1, 2)))
threads = 2
timeout = 60
graceful_timeout = 20
keepalive = 5
max_requests = 1000
max_requests_jitter = 100
accesslog = "-"
errorlog = "-"
loglevel = "info"
proc_name = "site"
forwarded_allow_ips = "*"
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}
raw_env = ["DJANGO_SETTINGS_MODULE=site.settings"]
pidfile = BASE_DIR / "site.pid"
worker_tmp_dir = "/dev/shm"
limit_request_line = 8190
os.environ.setdefault("STAGE", "from the file")
"""


@pytest.fixture
def ask(program, app):
    """Run the program to its end, in the app's directory."""

    def run(*arguments, **variables):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("RGUN", "GUNICORN_"))}
        return subprocess.run(
            [*program, *map(str, arguments)], cwd=app.path, env={**environment, **variables}, capture_output=True, text=True, timeout=30, check=False,
        )

    return run


ENVIRONMENT = """
import os
def app(environ, start_response):
    start_response("200 OK", [])
    return [f"{os.environ.get('STAGE')} {os.environ.get('DJANGO_SETTINGS_MODULE')}".encode()]
"""


def test_a_typical_file_of_a_django_project(launch, app):
    app.write(DJANGO, "gunicorn.conf.py")
    app.path.joinpath("app.py").write_text(ENVIRONMENT)
    server = launch(None, bind=None)
    server.wait_ready(2)
    # What it does to its environment, the app sees.
    assert server.get("/").body == b"from the file site.settings"
    assert (app.path / "site.pid").read_text().strip() == str(server.master)
    assert not server.log.find("WARNING")
    # Nothing of it runs any more, nor ever did in the master.
    assert sorted(server.children()) == sorted(server.ready_pids())


def test_options_and_variables_count_more(ask, app):
    app.write(DJANGO, "gunicorn.conf.py")
    answer = ask("--print-config", "--threads", "7", GUNICORN_CMD_ARGS="--timeout 9", RGUN_KEEP_ALIVE="8", WEB_CONCURRENCY="6")
    for expected in [
        "threads = 7  # command line", "timeout = 9  # GUNICORN_CMD_ARGS", "keepalive = 8  # $RGUN_KEEP_ALIVE", "workers = 2  # gunicorn.conf.py",
        'forwarded_allow_ips = "*"  # gunicorn.conf.py',
    ]:
        assert f"\n{expected}\n" in answer.stdout, answer.stdout + answer.stderr


def test_it_counts_more_than_a_project_file(ask, app):
    app.write("[tool.rgun]\nworkers = 2\nthreads = 3\n", "pyproject.toml")
    app.write("workers = 4\n", "gunicorn.conf.py")
    answer = ask("--print-config")
    assert "\nworkers = 4  # gunicorn.conf.py\n" in answer.stdout and "\nthreads = 3  # pyproject.toml:3\n" in answer.stdout


@pytest.mark.parametrize("name", ["conf/other.py", "file:conf/other.py", "python:conf.other", "conf/other"])
def test_a_file_or_module_that_is_named(ask, app, name):
    app.write("workers = 4\n", "conf/other.py")
    app.write("workers = 4\n", "conf/other")
    # Found by itself, and not read.
    app.write("raise SystemError\n", "gunicorn.conf.py")
    for answer in [ask("--print-config", "-c", name), ask("--print-config", GUNICORN_CMD_ARGS=f"-c {name}")]:
        assert f"\nworkers = 4  # {name.removeprefix('file:')}\n" in answer.stdout, answer.stderr


def test_none_at_all(ask, app):
    """As images have it that bring a file of their own."""
    app.write("workers = 4\n", "gunicorn.conf.py")
    for answer in [ask("--print-config", "-c", "/dev/null"), ask("--print-config", GUNICORN_CMD_ARGS="-c /dev/null")]:
        assert "\nworkers = 1  # default\n" in answer.stdout, answer.stderr


def test_an_error_shows_the_users_traceback(ask, app):
    app.copy("hello.py")
    app.write("def of_two():\n    return 1 / 0\n\nworkers = of_two()\n", "gunicorn.conf.py")
    answer = ask("app:app")
    assert answer.returncode == 1
    assert "line 4, in <module>" in answer.stderr and "line 2, in of_two" in answer.stderr
    assert "error: gunicorn.conf.py: ZeroDivisionError: division by zero" in answer.stderr
    assert "rgun script" not in answer.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("workers = 'many'", "gunicorn.conf.py: workers: `many` is not a whole number"),
        ("on_exit = 'nothing'", "gunicorn.conf.py: on_exit: 'nothing' is neither a function nor the MODULE.NAME of one"),
        ("worker_class = 'egg:meinheld#gunicorn_worker'", "is not supported: rgun is the server itself"),
        ("worker_class = 'gunicorn.workers.ggevent.GeventWorker'", "is not supported: rgun does not patch the standard library"),
        ("logconfig_dict = {'version': 2}", "its settings cannot be used: ValueError: Unsupported version: 2"),
        ("def post_fork(server): pass", "gunicorn.conf.py: post_fork must take 2 arguments"),
        ("import sys; sys.exit(5)", "gunicorn.conf.py: SystemExit: 5"),
        ("import os; os._exit(0)", "ended without an answer"),
        ("x = (", "SyntaxError"),
        ("worker_class = 'no_such_module.Worker'", "no_such_module"),
    ],
)
def test_a_wrong_file_ends_the_start(ask, app, text, message):
    app.copy("hello.py")
    app.write(text, "gunicorn.conf.py")
    answer = ask("app:app")
    assert answer.returncode == 1 and message in answer.stderr, answer.stderr


def test_a_name_that_is_no_setting_is_told(launch, app):
    app.copy("hello.py")
    app.write("import os\ncores = 2\nDEBUG = True\n_x = 1\nworkers = cores\nwokers = 3\n", "gunicorn.conf.py")
    server = launch("app:app")
    server.wait_ready(2)
    (line,) = server.log.find("WARNING")
    assert "gunicorn.conf.py: `wokers` is not a setting; did you mean `workers`?" in line


def test_what_it_prints_is_seen_and_hurts_nobody(launch, app):
    app.copy("hello.py")
    app.write("import threading, time\nprint('hello from the file')\nthreading.Thread(target=time.sleep, args=(600,)).start()\n", "gunicorn.conf.py")
    server = launch("app:app")
    server.wait_ready()
    assert server.log.find("hello from the file")


def test_a_reload_reads_it_again(launch, app):
    app.copy("hello.py")
    app.write("workers = 1\n", "gunicorn.conf.py")
    server = launch("app:app")
    server.wait_ready(1)
    app.write("workers = 2\n", "gunicorn.conf.py")
    assert "succeeded" in server.reload().group()
    server.wait_ready(2, generation=2)


def test_one_that_fails_at_a_reload_changes_nothing(launch, app):
    app.copy("hello.py")
    app.write("workers = 1\n", "gunicorn.conf.py")
    server = launch("app:app")
    (pid,) = server.wait_ready(1).values()
    app.write("workers = none_such\n", "gunicorn.conf.py")
    server.signal(signal.SIGHUP)
    server.log.wait("the configuration is wrong: gunicorn.conf.py: NameError")
    server.log.wait("workers = none_such")
    assert server.get("/").status == 200
    assert server.ready_pids() == [pid]


def test_the_master_serves_while_it_is_read(launch, app):
    app.copy("hello.py")
    app.write("workers = 1\n", "gunicorn.conf.py")
    server = launch("app:app")
    (pid,) = server.wait_ready(1).values()
    gate = app.path / "gate"
    app.write(f"import os, time\nprint('reading')\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\nworkers = 2\n", "gunicorn.conf.py")
    server.signal(signal.SIGHUP)
    server.log.wait("reading")
    # The master is not blocked: a worker that dies in that time is replaced.
    os.kill(pid, signal.SIGKILL)
    server.wait_ready(2)
    assert server.get("/").status == 200
    gate.write_text("")
    server.log.wait("reload succeeded")
    server.wait_ready(2, generation=2)


def test_one_that_hangs_at_a_reload_is_given_up(launch, app):
    app.copy("hello.py")
    app.write("workers = 1\n", "gunicorn.conf.py")
    server = launch("app:app", "--boot-timeout", "1")
    server.wait_ready(1)
    app.write("import time\nprint('reading')\ntime.sleep(600)\n", "gunicorn.conf.py")
    began = time.monotonic()
    server.signal(signal.SIGHUP)
    server.log.wait("the configuration is wrong")
    assert time.monotonic() - began < 10
    eventually(lambda: server.children() == server.ready_pids(), "what read it is gone")
    assert server.get("/").status == 200


def test_processes_that_it_forks_do_not_delay_the_server(launch, app):
    app.copy("hello.py")
    # As `multiprocessing.Manager()` does. The process ends with those that have the other end of the pipe.
    text = "import os\nend, kept = os.pipe()\nif os.fork() == 0:\n    os.close(kept)\n    os.read(end, 1)\n    os._exit(0)\nworkers = 1\n"
    app.write(text, "gunicorn.conf.py")
    server = launch("app:app")
    server.wait_ready(1)
    assert "succeeded" in server.reload().group()
    server.wait_ready(1, generation=2)


def test_a_stop_while_it_is_read(launch, app):
    app.copy("hello.py")
    app.write("workers = 1\n", "gunicorn.conf.py")
    server = launch("app:app")
    server.wait_ready(1)
    app.write("import time\nprint('reading')\ntime.sleep(600)\n", "gunicorn.conf.py")
    server.signal(signal.SIGHUP)
    server.log.wait("reading")
    server.terminate()
    assert server.wait_exit() == 0


CLASS = """
from uvicorn.workers import UvicornWorker

class OwnWorker(UvicornWorker):
    CONFIG_KWARGS = {"loop": "asyncio", "http": "h11", "lifespan": "off", "root_path": "/api"}
"""


def uvicorn(app):
    """The part of it that such files use, as its own module has it: it needs gunicorn to be installed."""
    app.write("", "uvicorn/__init__.py")
    app.write(
        "from gunicorn.arbiter import Arbiter\nfrom gunicorn.workers.base import Worker\n"
        "class UvicornWorker(Worker):\n    CONFIG_KWARGS = {'loop': 'auto', 'http': 'auto'}\n    def init_process(self): raise SystemError\n",
        "uvicorn/workers.py",
    )


def test_a_worker_class_made_of_uvicorns(ask, app):
    uvicorn(app)
    app.write(CLASS, "workers.py")
    by_name = ask("--print-config", "-k", "workers.OwnWorker")
    app.write(CLASS + "worker_class = OwnWorker\n", "gunicorn.conf.py")
    for answer in [by_name, ask("--print-config")]:
        for expected in ['asgi_loop = "asyncio"  # ', 'asgi_lifespan = "off"  # ', 'root_path = "/api"  # ', 'worker_class = "uvicorn.workers.UvicornWorker"  # ']:
            assert f"\n{expected}" in answer.stdout, answer.stdout + answer.stderr


@pytest.mark.wheel
@pytest.mark.parametrize("module", ["uvicorn.workers", "uvicorn_worker"])
def test_a_worker_class_made_of_uvicorns_where_neither_is_installed(ask, app, program, module):
    """rgun has taken the place of both in the project's requirements; its files are as they were."""
    python = Path(program[0]).with_name("python")
    probe = f"import {module.partition('.')[0]}"
    if not python.exists() or subprocess.run([python, "-c", probe], cwd="/", capture_output=True).returncode == 0:
        pytest.skip("it is installed here")
    app.write(CLASS.replace("uvicorn.workers", module), "workers.py")
    app.write("worker_class = 'workers.OwnWorker'\n", "gunicorn.conf.py")
    answer = ask("--print-config")
    assert f'\nworker_class = "{module}.UvicornWorker"  # ' in answer.stdout and '\nroot_path = "/api"  # ' in answer.stdout, answer.stderr
    app.write("from gunicorn import util\n", "gunicorn.conf.py")
    assert ask("--print-config").returncode == 0
    app.write("from gunicorn import no_such_name\n", "gunicorn.conf.py")
    assert "rgun's stand-in: gunicorn is not installed" in ask("--print-config").stderr


def test_gunicorns_own_names_are_there_for_the_file(ask, app):
    app.write(
        "import gunicorn\nfrom gunicorn.glogging import CONFIG_DEFAULTS\nfrom gunicorn.arbiter import Arbiter\n"
        "gunicorn.SERVER_SOFTWARE = 'x'\nworkers = Arbiter.WORKER_BOOT_ERROR\n",
        "gunicorn.conf.py",
    )
    assert "\nworkers = 3  # gunicorn.conf.py\n" in ask("--print-config").stdout


def test_what_only_gunicorn_has_is_told_once(launch, app):
    app.copy("hello.py")
    app.write("worker_connections = 500\nhttp_parser = 'auto'\ntmp_upload_dir = '/tmp'\nspew = False\ncertfile = None\n", "gunicorn.conf.py")
    server = launch("app:app", "--no-sendfile")
    server.wait_ready()
    told = server.log.find("is gunicorn's and has no effect here")
    assert len(told) == 2 and all("[INFO]" in line for line in told), told
    server.reload()
    assert len(server.log.find("is gunicorn's and has no effect here")) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http2_cleartext = 'upgrade'", "gunicorn.conf.py: http2_cleartext: `upgrade` is not supported"),
        ("paste = 'x.ini'", "gunicorn.conf.py: paste is gunicorn's and not supported"),
        ("worker_class = 'gevent'", "gunicorn.conf.py: worker_class: `gevent` is not supported"),
    ],
)
def test_what_is_refused_has_a_way_out(ask, app, text, message):
    app.copy("hello.py")
    app.write(text, "gunicorn.conf.py")
    answer = ask("app:app")
    assert answer.returncode == 1 and message in answer.stderr and "hint: " in answer.stderr, answer.stderr


SHADOWS = ("ast", "difflib", "importlib", "inspect", "json", "logging", "os", "re", "signal", "time", "traceback", "types")


@pytest.mark.parametrize("on_path", [False, True])
def test_files_named_like_pythons_own_are_not_what_the_server_imports(launch, app, on_path):
    """Neither where the server starts nor, as far as that is up to it, on PYTHONPATH; as root they would run with its rights."""
    names = ("ast", "difflib", "json") if on_path else SHADOWS
    for name in names:
        app.write("with open('executed', 'a') as file:\n    file.write(__name__ + '\\n')\nraise SystemExit(9)\n", f"{name}.py")
    app.write("import theirs\nworkers = theirs.WORKERS\ndef on_starting(server): server.log.info('hook of %s', theirs.__name__)\n", "gunicorn.conf.py")
    app.write("WORKERS = 2\n", "theirs.py")
    app.copy("hello.py")
    server = launch("app:app", *(("-u", "nobody") if os.getuid() == 0 and on_path else ()), env={"PYTHONPATH": str(app.path)} if on_path else None)
    server.log.wait("hook of theirs")
    if not on_path:
        server.wait_ready(2)
        server.reload()
        assert server.get().status == 200
    assert not (app.path / "executed").exists(), (app.path / "executed").read_text()


def test_a_long_configuration(launch, app):
    """More than a pipe holds goes to the process for hooks."""
    app.copy("process.py")
    app.write(f"raw_env = ['LONG={'x' * 100_000}']\ndef on_starting(server): server.log.info('%d', len(server.cfg.raw_env[0]))\n", "gunicorn.conf.py")
    server = launch("app:app")
    server.log.wait(r"\b100005\b")
    server.wait_ready()


def test_a_hook_for_tls_without_a_certificate_is_not_used(launch, app):
    app.copy("hello.py")
    app.write("def ssl_context(conf, default_ssl_context_factory): return default_ssl_context_factory()\n", "gunicorn.conf.py")
    server = launch("app:app")
    server.wait_ready()
    assert server.get().status == 200
    server.log.wait("ssl_context is gunicorn's and has no effect")


@pytest.mark.parametrize("kind", ["dict", "json", "file"])
def test_files_named_like_pythons_own_and_a_logging_configuration(launch, app, kind):
    """Its handlers may be the project's own, so the project is on the path when it is read."""
    for name in ("configparser", "difflib", "http", "json", "queue", "socketserver"):
        app.write("with open('executed', 'a') as file:\n    file.write(__name__ + '\\n')\nraise SystemExit(9)\n", f"{name}.py")
    app.write("import logging\nclass Shown(logging.StreamHandler): pass\n", "theirs.py")
    logger = {"level": "INFO", "handlers": ["shown"]}
    config = {"version": 1, "handlers": {"shown": {"class": "theirs.Shown"}}, "loggers": {"gunicorn.error": logger}, "root": logger}
    options = ()
    if kind == "dict":
        app.write(f"logconfig_dict = {config}\nlogconfig_dict['filters'] = {{'all': {{'()': lambda: (lambda record: True)}}}}\n", "gunicorn.conf.py")
    elif kind == "json":
        app.write(json.dumps(config), "log.json")
        options = ("--log-config-json", "log.json")
    else:
        app.write(
            "[loggers]\nkeys=root\n[handlers]\nkeys=shown\n[formatters]\nkeys=\n[logger_root]\nlevel=INFO\nhandlers=shown\n"
            "[handler_shown]\nclass=theirs.Shown\nargs=()\n", "log.ini",
        )
        options = ("--log-config", "log.ini")
    app.copy("hello.py")
    server = launch("app:app", *options)
    server.wait_ready()
    assert server.get().status == 200
    assert not (app.path / "executed").exists(), (app.path / "executed").read_text()

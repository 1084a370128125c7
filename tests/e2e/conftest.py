"""Options and fixtures of the end-to-end stories."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness.apps import version  # noqa: E402
from harness.as_wsgi import as_wsgi  # noqa: E402
from harness.ctl import Ctl  # noqa: E402
from harness.place import ROOT, SITE  # noqa: E402
from harness.server import Server  # noqa: E402
from harness.tls import Authority  # noqa: E402

HERE = Path(__file__).parent
# A shell starts what runs in the background with these ignored, and each server of a story would inherit that.
for number, action in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, action)


def pytest_addoption(parser):
    parser.addoption("--binary", choices=("hosted", "embedded"), default="hosted", help="the wheel's program, or the binary ($BINARY_UNDER_TEST)")
    parser.addoption("--loop", choices=("auto", "asyncio", "uvloop"), default="asyncio", help="event loop of the workers")
    parser.addoption("--interface", choices=("asgi", "wsgi"), default="asgi", help="wsgi: the stories' apps as WSGI apps, in workers with threads")


def pytest_configure(config):
    config.addinivalue_line("markers", "both_artifacts: also run against the binary")
    config.addinivalue_line("markers", "both_loops: also run on uvloop")
    config.addinivalue_line("markers", "wheel: the smoke test of a wheel on another Python")


# Stories of processes, which hold whatever the workers run. The behaviour of an interface itself is tested in files of its own.
BOTH_INTERFACES = tuple(f"test_{name}.py" for name in (
    "access_log", "access_log_format", "app_with_threads_at_import", "atexit", "bad_app", "boot", "container", "crash_loop", "daemon", "drain", "half_close",
    "hooks", "http", "log_format", "log_rotation", "master_killed", "nginx_reload", "preview_header", "recycling", "reload", "reload_bad_code", "run_before", "shutdown_delay",
    "slow_client", "static_files", "statsd", "streaming", "syslog", "systemd", "unix_socket", "users", "worker_killed",
))
# Of these files, what only ASGI has (lifespan, disconnect events, uploads that reach the app before they are complete) and what asks
# about the event loop's thread.
ASGI_ALONE = (
    "lifespan", "thread_of_the_executor", "test_a_worker_is_an_ordinary_python_process", "test_fast_stop_cancels_what_runs", "test_deaths_soon_after_ready_are_paced",
    "test_an_upload_in_flight_is_not_reset", "test_each_chunk_arrives_by_itself", "test_a_full_close_is_noticed_after_a_half_close",
    "test_what_was_accepted_during_the_last_step", "test_after_a_body", "test_http_013_limits", "test_forwarding_headers_of_a_unix_peer_count", "test_is_no_disconnect_for_an_app",
)


def pytest_collection_modifyitems(config, items):
    if config.getoption("--interface") == "asgi":
        return
    kept = [item for item in items if item.path.name in BOTH_INTERFACES and not any(word in item.nodeid for word in ASGI_ALONE)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate authority of the module's own."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority):
    """A chain for this machine, and its key."""
    return authority.issue("server", ["localhost", "127.0.0.1"])


@pytest.fixture(scope="session")
def program(pytestconfig):
    """The command that starts the server."""
    if pytestconfig.getoption("--binary") == "embedded":
        path = os.environ.get("BINARY_UNDER_TEST") or ROOT / "target" / "debug" / "rgun"
    else:
        path = os.environ.get("RGUN") or Path(sys.executable).parent / "rgun"
    assert Path(path).is_file(), f"{path} is not there; `make test-e2e` builds it"
    return [str(Path(path).absolute())]


class AppDirectory:
    """A directory with the app of a story, importable because the server starts in it."""

    def __init__(self, path, interface="asgi"):
        self.path = path
        self.interface = interface

    def write(self, text, name="app.py"):
        """Replace a file at once, as a deploy does: a reader meets the old text or the new one."""
        if self.interface == "wsgi" and name == "app.py":
            text = as_wsgi(text)
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = target.with_suffix(".tmp")
        scratch.write_text(text)
        scratch.rename(target)
        return target

    def copy(self, name, target="app.py"):
        """Take one of `apps/`."""
        return self.write((HERE / "apps" / name).read_text(), target)

    def remove(self, name="app.py"):
        (self.path / name).unlink()


@pytest.fixture
def python(program, pytestconfig):
    """The interpreter that the wheel is installed for."""
    if pytestconfig.getoption("--binary") == "embedded":
        pytest.skip("about the wheel")
    return str(Path(program[0]).with_name("python"))


@pytest.fixture
def app(tmp_path, pytestconfig):
    directory = tmp_path / "app"
    directory.mkdir()
    yield AppDirectory(directory, pytestconfig.getoption("--interface"))
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def launch(request, program, app):
    """Start the server and do not wait: `launch("app:app", "-w", "2")`. Ended after the test, whatever happened."""
    started = []
    request.node.servers = started
    loop = request.config.getoption("--loop")
    interface = request.config.getoption("--interface")

    def start(spec="app:app", *options, directory=None, **keywords):
        defaults = [] if "--loop" in options or spec is None else ["--loop", loop]
        if interface == "wsgi" and spec is not None and "--threads" not in options:
            defaults += ["--threads", "4"]
        server = Server(program, directory or app.path, spec, *defaults, *map(str, options), **keywords)
        started.append(server)
        return server

    yield start
    complaints = []
    for server in reversed(started):
        try:
            server.end()
        except AssertionError as error:
            complaints.append(str(error))
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def installed(program, tmp_path):
    """Where the program is started from: a link, which a deploy points elsewhere."""
    directory = tmp_path / "bin"
    directory.mkdir()
    link = directory / "rgun"
    link.symlink_to(program[0])
    return link


@pytest.fixture
def start_installed(request, app, installed, tmp_path):
    """`server, ctl = start_installed(workers=2)`: version "old" serves, by the program that is installed."""
    servers = []

    def start(*options, workers=2, code=version("old"), **keywords):
        app.write(code)
        path = tmp_path / "ctl.sock"
        loop = request.config.getoption("--loop")
        words = ["--loop", loop, "-w", workers, "--control-socket", path, "--pid", tmp_path / "pid", *options]
        server = Server([str(installed)], app.path, "app:app", *map(str, words), **keywords)
        servers.append(server)
        server.wait_ready(workers)
        return server, Ctl([str(installed)], path)

    yield start
    complaints = [complaint for complaint in (server.end() for server in servers) if complaint]
    assert not complaints, complaints


@pytest.fixture
def serve(launch, app):
    """Start the server with an app of `apps/` and wait until it serves: `serve("hello.py", workers=2)`."""

    def start(file=None, *options, workers=1, spec="app:app", **keywords):
        if file:
            app.copy(file)
        server = launch(spec, "-w", workers, *options, **keywords)
        server.wait_ready(workers)
        return server

    return start


@pytest.fixture
def origin(serve, request):
    """Start `apps/origin.py` with the interface that the story is for: `origin("--proxy-protocol", "v1")`."""
    spec = getattr(request, "param", "app:app")
    return lambda *options, **keywords: serve("origin.py", *options, spec=spec, **keywords)


@pytest.fixture
def origin_asgi(serve):
    """As `origin`, for what is the same on both interfaces."""
    return lambda *options, **keywords: serve("origin.py", *options, **keywords)


@pytest.fixture(scope="module")
def site(program, tmp_path_factory):
    """Environment of a migrated site with an admin, all of its files in a temporary directory."""
    # With the Django that the server will have.
    python = Path(program[0]).with_name("python")
    place = tmp_path_factory.mktemp("site")
    environment = {
        "DATABASE_URL": f"sqlite://{place}/db.sqlite3",
        "STATIC_ROOT": f"{place}/static",
        "MEDIA_ROOT": f"{place}/media",
        "DJANGO_SUPERUSER_PASSWORD": "secret",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    for words in (["migrate"], ["collectstatic", "--noinput"], ["createsuperuser", "--noinput", "--username", "admin", "--email", "a@example.org"]):
        subprocess.run(
            [str(python) if python.exists() else sys.executable, "manage.py", *words, "--verbosity", "0"], cwd=SITE, env={**os.environ, **environment}, check=True, timeout=60,
        )
    return environment


@pytest.fixture(scope="module")
def probe(request, program, tmp_path_factory):
    """One server with `apps/probe.py` for all the small questions of a module."""
    directory = tmp_path_factory.mktemp("probe")
    shutil.copy(HERE / "apps" / "probe.py", directory / "app.py")
    loop = request.config.getoption("--loop")
    with Server(program, directory, "app:app", "-w", "1", "--loop", loop, "--lifespan", "on") as server:
        server.wait_ready()
        yield server


@pytest.fixture(scope="module")
def sockets(request, program, tmp_path_factory):
    """One server with `apps/sockets.py` for all the small questions of a module."""
    directory = tmp_path_factory.mktemp("sockets")
    shutil.copy(HERE / "apps" / "sockets.py", directory / "app.py")
    loop = request.config.getoption("--loop")
    with Server(program, directory, "app:app", "-w", "1", "--loop", loop, "--lifespan", "on") as server:
        server.wait_ready()
        yield server


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        shared = [value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Server)]
        for server in [*getattr(item, "servers", []), *shared]:
            report.sections.append((f"log of {' '.join(server.command)}", server.log.text()[-20000:]))

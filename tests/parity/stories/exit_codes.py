"""The exit codes of failed starts."""

import socket

from story import story

HELLO = "def app(environ, start_response):\n    start_response('200 OK', [('Content-Length', '2')])\n    return [b'ok']\n"


def _failures(subject, cases):
    facts = {}
    for name, words in cases.items():
        server = subject.start(*words)
        facts[f"{name}: exit code"] = server.wait_exit(20)
        facts[f"{name}: something is said"] = bool(server.log.wait_end().strip())
    return facts


@story
def an_app_that_cannot_be_loaded(subject):
    subject.write(HELLO)
    subject.write("def make():\n    raise RuntimeError('no database')\nmake()\n", "raises.py")
    subject.write("def broken(:\n", "broken.py")
    subject.write("app = 42\n", "number.py")
    subject.write("def make():\n    return None\ndef needs(it):\n    return it\ndef fails():\n    raise TypeError('no')\n", "factory.py")
    subject.write("import nowhere\n", "imports.py")
    subject.write("from app import nothing\n", "misses.py")
    cases = {
        "missing module": ["nowhere:app"], "missing submodule": ["app.sub:app"], "missing attribute": ["app:nothing"],
        "raises at import": ["raises:app"], "imports what is missing": ["imports:app"], "imports a name that is missing": ["misses:app"],
        "syntax error": ["broken:app"], "not callable": ["number:app"],
        "factory without an app": ["factory:make()"], "factory that raises": ["factory:fails()"],
        "factory that needs more": ["factory:needs()"], "factory that gets too much": ["factory:make(1)"],
        "factory with a name for an argument": ["factory:needs(app)"], "factory with a number": ["factory:needs(1)"],
    }
    preloaded = {f"with --preload, {name}": [*words, "--preload"] for name, words in cases.items()}
    return _failures(subject, {**cases, **preloaded, "not a name": ["app:1+1"]})


@story
def an_app_from_a_factory_with_arguments(subject):
    subject.write("""
def make(name, debug=False):
    def app(environ, start_response):
        text = repr((name, debug)).encode()
        start_response("200 OK", [("Content-Length", str(len(text)))])
        return [text]
    return app
""")
    facts = {}
    for call in ("make('a b', debug=True)", "make(['x', {'y': None}])", "make( name = 1 )"):
        server = subject.start(f"app:{call}")
        facts[call] = server.wait_serving().text
    return facts


@story
def a_command_line_that_is_wrong(subject):
    subject.write(HELLO)
    return _failures(subject, {
        "unknown option": ["app:app", "--nonsense"], "not a number": ["app:app", "-w", "many"], "no app": [],
        "unknown worker class": ["app:app", "-k", "nonsense"], "missing configuration file": ["app:app", "-c", "nothing.py"],
        "unknown log level": ["app:app", "--log-level", "loud", "--check-config"],
        "negative workers": ["app:app", "-w", "-1"], "directory that is not there": ["app:app", "--chdir", "/nowhere/at/all"],
        "unknown user": ["app:app", "-u", "nobody-has-this-name"], "wrong umask": ["app:app", "-m", "nonsense"],
    })


@story
def settings_as_people_write_them(subject):
    subject.write(HELLO)
    facts = {}
    for number, line in enumerate((
        "bind = '127.0.0.1:0,127.0.0.1:0'", "bind = ['127.0.0.1:0']", "raw_env = 'A=1,B=2'", "raw_env = ['A=1=2']", "threads = 0", "threads = '2'",
        "workers = '2'", "workers = ''", "timeout = '60'", "timeout = -1", "timeout = 0", "loglevel = 'WARNING'", "limit_request_fields = 100000",
        "limit_request_line = 0", "statsd_host = 'localhost'", "statsd_host = None", "worker_class = 'egg:gunicorn#gthread'", "proxy_protocol = True",
        "worker_class = 'gunicorn.workers.gthread.ThreadWorker'", "worker_class = 'sync'", "accesslog = None", "accesslog = '/dev/stdout'",
        "user = '0'", "group = 'root'", "umask = 0o22", "umask = '0o22'", "forwarded_allow_ips = '*'", "forwarded_allow_ips = ''",
        "forwarded_allow_ips = 'myproxy'", "capture_output = 'true'", "preload_app = 'false'", "certfile = None", "keyfile = ''", "logconfig_dict = {}",
        "sendfile = None", "chdir = '/nowhere'", "header_map = 'DROP'", "header_map = 'nonsense'", "reload_engine = 'nonsense'", "pythonpath = ''",
        "on_starting = 'x'", "post_fork = lambda server: 1", "post_request = lambda worker, req: 1", "post_request = lambda worker, req, environ: 1",
        "post_request = lambda worker, req, environ, resp: 1", "nworkers_changed = lambda server, new: 1", "no_setting = 1", "max_requests = -1",
    )):
        subject.write(f"{line}\n", f"conf_{number}.py")
        facts[line] = subject.exit_code("app:app", "-c", f"conf_{number}.py", "--check-config", bind=None)
    return facts


@story
def variables_of_the_environment(subject):
    subject.write(HELLO)
    cases = [
        ("WEB_CONCURRENCY", "abc"), ("WEB_CONCURRENCY", "2"), ("PORT", "abc"), ("PORT", "8000"), ("FORWARDED_ALLOW_IPS", "*"), ("FORWARDED_ALLOW_IPS", "x"),
        ("SENDFILE", "yes"), ("GUNICORN_CMD_ARGS", ""), ("GUNICORN_CMD_ARGS", "--access-logformat '%(h)s \"%(r)s\"' -w 2"), ("GUNICORN_CMD_ARGS", "--bind '127"),
        ("GUNICORN_CMD_ARGS", "--nonsense"), ("GUNICORN_CMD_ARGS", "-c nowhere.py"), ("GUNICORN_CMD_ARGS", "-w"), ("WEB_CONCURRENCY", ""), ("PORT", ""),
    ]
    return {f"{name}={value}": subject.exit_code("app:app", "--check-config", bind=None, env={name: value}) for name, value in cases}


@story
def questions_that_start_nothing(subject):
    subject.write(HELLO)
    subject.write("1/0\n", "raises.py")
    return {
        "--version": subject.exit_code("--version", bind=None), "--help": subject.exit_code("--help", bind=None),
        "--check-config, good": subject.exit_code("--check-config", "app:app"),
        "--check-config, bad": subject.exit_code("--check-config", "raises:app"),
    }


@story
def a_port_in_use(subject):
    subject.write(HELLO)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = subject.start("app:app", bind=f"127.0.0.1:{taken.getsockname()[1]}")
        return {"exit code": server.wait_exit(20), "is said": "in use" in server.log.wait_end().lower()}


@story
def a_configuration_file_that_is_wrong(subject):
    subject.write(HELLO)
    subject.write("workers = 1 +\n", "syntax.py")
    subject.write("raise RuntimeError('no secret')\n", "raises.py")
    subject.write("workers = 'many'\n", "value.py")
    subject.write("workers = 1\nnonsense = True\n_private = 1\n", "unknown.py")
    facts = _failures(subject, {name: ["app:app", "-c", f"{name}.py"] for name in ("syntax", "raises", "value")})
    facts["unknown names: exit code of --check-config"] = subject.exit_code("app:app", "-c", "unknown.py", "--check-config")
    return facts


@story
def a_pid_file_of_somebody_who_runs(subject):
    subject.write(HELLO)
    first = subject.start("app:app", "-p", "pid")
    first.wait_serving()
    facts = {
        "holds the master's pid": (subject.directory / "pid").read_text().strip() == str(first.master),
        "second one: exit code": subject.exit_code("app:app", "-p", "pid"),
    }
    first.terminate()
    facts["exit code"] = first.wait_exit()
    facts["removed"] = not (subject.directory / "pid").exists()
    subject.write("999999999", "stale")
    second = subject.start("app:app", "-p", "stale")
    second.wait_serving()
    facts["a stale one is overwritten"] = (subject.directory / "stale").read_text().strip() == str(second.master)
    return facts

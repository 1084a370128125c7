"""The arguments of a configuration file's hooks, and their calls: in the mold, which runs the file once, and in the workers
that are forked from it. A part of the program that begins in `script.py`.
"""

# ---- The arguments of hooks


class Log:
    """`server.log`, `worker.log`: gunicorn's logger of errors, with the level, the filters and the handlers that it has."""

    LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}

    def __init__(self, count):
        self._count = count
        self.error_log = logging.getLogger("gunicorn.error")
        self.access_log = logging.getLogger("gunicorn.access")

    def log(self, level, message, *arguments, **options):
        if isinstance(level, str):
            level = self.LEVELS.get(level.lower(), 20)
        error = options.pop("exc_info", None)
        if error:
            if isinstance(error, tuple):
                error = error[1]
            if not isinstance(error, BaseException):
                error = sys.exc_info()[1]
            if error is not None:
                options["exc_info"] = (type(error), error, _users_frames(error))
        self._count(level, bool(options.get("exc_info")))
        self.error_log.log(level, message, *arguments, **options)

    def debug(self, message, *arguments, **options):
        self.log("debug", message, *arguments, **options)

    def info(self, message, *arguments, **options):
        self.log("info", message, *arguments, **options)

    def warning(self, message, *arguments, **options):
        self.log("warning", message, *arguments, **options)

    warn = warning

    def error(self, message, *arguments, **options):
        self.log("error", message, *arguments, **options)

    def critical(self, message, *arguments, **options):
        self.log("critical", message, *arguments, **options)

    def exception(self, message, *arguments, **options):
        self.log("error", message, *arguments, **dict({"exc_info": True}, **options))

    def isEnabledFor(self, level):  # noqa: N802
        return self.error_log.isEnabledFor(level)

    def reopen_files(self):
        pass


class _Listener:
    """An entry of `server.LISTENERS`: the address. The socket is the master's."""

    def __init__(self, address):
        self.cfg_addr = address

    def getsockname(self):
        return self.cfg_addr

    def __str__(self):
        return "unix:%s" % self.cfg_addr if isinstance(self.cfg_addr, str) else "http://%s:%d" % self.cfg_addr


class _Tmp:
    """`worker.tmp`, without effect: heartbeats are in shared memory."""

    def notify(self):
        pass

    def last_update(self):
        return time.monotonic()

    def fileno(self):
        return -1

    def close(self):
        pass


class _App:
    """`server.app`, `worker.app`"""

    def __init__(self, cfg, load=None):
        self.cfg = cfg
        self.app_uri = getattr(cfg, "wsgi_app", None)
        self.callable = None
        self._load = load

    def load(self):
        return self._load()

    def wsgi(self):
        """Loads the app on the first call. Workers inherit an app that a hook loads in the mold."""
        if self.callable is None:
            self.callable = self._load()
        return self.callable


class Worker:
    """The worker, as an argument of hooks."""

    def __init__(self, age, pid, server):
        self.age = age
        self.pid = pid
        self.ppid = server.pid
        self.cfg = server.cfg
        self.log = server.log
        self.tmp = _Tmp()
        # The longest sleep of gunicorn's workers.
        self.timeout = getattr(server.cfg, "timeout", 30) / 2
        self.max_requests = getattr(server.cfg, "max_requests", 0) or sys.maxsize
        self.sockets = list(server.LISTENERS)
        self.app = server.app
        self.wsgi = None
        self.nr = 0
        self._alive, self._leave = True, None
        self.booted = False
        self.aborted = False

    def __str__(self):
        return "<Worker %s>" % self.pid

    @property
    def alive(self):
        return self._alive

    @alive.setter
    def alive(self, value):
        """A worker whose `alive` is set to false finishes its requests and is replaced."""
        leaves = self._alive and not value and self._leave is not None
        self._alive = value
        if leaves:
            self._leave()

    def notify(self):
        pass


class Server:
    """The master, as an argument of hooks."""

    def __init__(self, cfg, log, pid, workers, load=None):
        self.cfg = cfg
        self.log = log
        self.pid = pid
        self.master_pid = 0
        self.master_name = "Master"
        self.proc_name = getattr(cfg, "proc_name", None)
        self.num_workers = workers
        self.worker_age = 0
        self.timeout = getattr(cfg, "timeout", 30)
        self.address = cfg.address
        self.app = _App(cfg, load)
        self.LISTENERS = []
        self.WORKERS = {}


def _hooks(names):
    return {name: hook for name in HOOKS if name in names for hook in [_hook(name, names[name])] if hook is not None}


# ---- In the mold


def _enter(directory):
    """Stays where it is if that directory is gone, or belongs to others."""
    try:
        os.chdir(directory)
    except (OSError, TypeError):
        pass


class Arbiter:
    """The file, run once, and the hooks that gunicorn's master calls, in the order in which the master reports the events."""

    def __init__(self, location, directory, cfg, master, count, load_app):
        values = json.loads(cfg)
        self.log = Log(count)
        self.location = location
        self.server = Server(Config(values), self.log, master, values.get("workers", 1), load_app)
        self.next = None
        # So that the output of hooks appears as soon as it is printed.
        self.buffering = [(stream, stream.line_buffering) for stream in (sys.stdout, sys.stderr) if hasattr(stream, "reconfigure")]
        for stream, _ in self.buffering:
            stream.reconfigure(line_buffering=True)
        # As with gunicorn, the file is run where the server was started, and workers are there, or in the directory of `chdir`,
        # wherever the file goes.
        inside = _directory()
        _enter(directory)
        try:
            self.names = load(location, directory, stay=True)[0]
        finally:
            _enter(inside)
        if inside is not None and inside not in sys.path:
            sys.path.insert(0, inside)
        self.hooks = _hooks(self.names)
        self.response = _own_response(self.names.get("__name__"))

    def warn(self):
        """Once there are loggers: about changes of gunicorn that are not used."""
        for name in _changed(self.names):
            self.log.warning("%s: it changes %s, which has no effect here", self.location.partition(":")[2], name)

    def call(self, name, *arguments):
        """Exceptions are logged."""
        try:
            self.call_to_start(name, *arguments)
        except BaseException as error:
            self.log.log("error", "exception in the hook %s: %s", name, _summary(error), exc_info=error)

    def call_to_start(self, name, *arguments):
        """Exceptions end the start or the reload."""
        hook = self.hooks.get(name)
        if hook is None:
            return
        try:
            hook(*arguments)
        finally:
            for stream in (sys.stdout, sys.stderr):
                try:
                    stream.flush()
                except Exception:
                    pass

    def hides_server(self):
        """Whether the file leaves the field `Server` out of every response, as far as that can be determined."""
        if self.response is None:
            return False
        try:
            return _fields_of(self.response, "200 OK", [], (1, 1))[0] is None
        except Exception as error:
            self.log.warning("gunicorn.http.wsgi.Response of the file cannot be asked for its headers: %s", _summary(error))
            self.response = None
            return False

    def begin(self, message):
        """Before any worker: for the first time, or after a reload."""
        self.server.num_workers = message["workers"]
        self.call_to_start("nworkers_changed", self.server, message["workers"], message["before"])

    def start(self, message):
        if message["first"]:
            self.call_to_start("on_starting", self.server)
        self.server.LISTENERS = [_Listener(address) for address in self.server.address]
        for age, pid in message["others"]:
            self.server.WORKERS.setdefault(pid, Worker(age, pid, self.server))
            self.server.worker_age = max(self.server.worker_age, age)
        self.call_to_start("when_ready" if message["first"] else "on_reload", self.server)

    def alone(self, age):
        """This process is the worker itself: there is no fork."""
        self.server.LISTENERS = [_Listener(address) for address in self.server.address]
        self.server.worker_age = age
        self.next = Worker(age, os.getpid(), self.server)

    def pre_fork(self, age):
        self.server.worker_age = age
        self.next = Worker(age, "[booting]", self.server)
        self.call("pre_fork", self.server, self.next)

    def forked(self, pid):
        self.next.pid = pid
        self.server.WORKERS[pid] = self.next

    def take(self, text):
        """Handles an event that the master reports."""
        message = json.loads(text)
        getattr(self, message["call"])(message)

    def child_exit(self, message):
        worker = self.server.WORKERS.pop(message["pid"], None) or Worker(message["age"], message["pid"], self.server)
        self.call("child_exit", self.server, worker)

    def nworkers_changed(self, message):
        self.server.num_workers = message["new"]
        self.call("nworkers_changed", self.server, message["new"], message["old"])

    def on_exit(self, message):
        self.call("on_exit", self.server)

    def pre_exec(self, message):
        self.call("pre_exec", self.server)


# The names in gunicorn's modules whose changes have an effect (see also `tell`).
COUNTS = ("gunicorn.http.wsgi.Response", "gunicorn.http.wsgi.Response.default_headers", "gunicorn.glogging.Logger")


def _changed(names):
    """Classes and functions of gunicorn's that the file has replaced by its own, without effect here."""
    own = names.get("__name__")
    found = []
    for place, module in list(sys.modules.items()):
        if place.partition(".")[0] != "gunicorn" or module is None:
            continue
        for name, value in list(vars(module).items()):
            path = "%s.%s" % (place, name)
            if getattr(value, "__module__", None) == own and callable(value):
                found.append(path)
            elif isinstance(value, type) and value.__module__ == place:
                parts = vars(value).items()
                found += ["%s.%s" % (path, part) for part, one in parts if getattr(one, "__module__", None) == own and callable(one)]
    found = [path for path in found if not path.startswith(COUNTS)]
    response = _own_response(own)
    return found + ["gunicorn.http.wsgi.Response.%s" % name for name in (_own_methods(response, own) if response else []) if name != "default_headers"]


def _own_response(own):
    """The class in place of gunicorn's Response; None: it is unchanged."""
    module = sys.modules.get("gunicorn.http.wsgi")
    found = getattr(module, "Response", None)
    if isinstance(found, type) and (found.__module__ != "gunicorn.http.wsgi" or _own_methods(found, own)):
        return found
    return None


def _own_methods(found, own):
    theirs = ("gunicorn.http.wsgi", "builtins", None)
    methods = [(name, one) for kind in found.__mro__ for name, one in vars(kind).items()]
    return sorted({name for name, one in methods if isinstance(one, types.FunctionType) and one.__module__ == own and one.__module__ not in theirs})


def _fields_of(response, status, headers, version):
    """The effect of a class in place of gunicorn's Response on the server's own fields: its `Server`, or None if it leaves it out, and the added fields."""
    one = response.__new__(response)
    request = types.SimpleNamespace(version=version, method="GET", should_close=lambda: False)
    vars(one).update(
        req=request, version="gunicorn", status=status, headers=list(headers), chunked=False, must_close=False, upgrade=False, headers_sent=False,
        response_length=None, sent=0, cfg=None, sock=None, status_code=int(status.split(" ", 1)[0]),
    )
    lines = [line for text in one.default_headers() for line in (text.decode("latin-1") if isinstance(text, bytes) else text).split("\r\n")]
    fields = [tuple(part.strip() for part in line.split(":", 1)) for line in lines if ":" in line and not line.startswith("HTTP/")]
    server = [value for name, value in fields if name.lower() == "server"]
    added = [(name, value) for name, value in fields if name.lower() not in ("server", "date", "connection", "transfer-encoding")]
    return server[0] if server else None, added


# ---- In a worker


class InWorker:
    """The hooks of one worker, in the order of their calls."""

    def __init__(self, arbiter, abort, leaves):
        self._abort, self._leaves = abort, leaves
        self.server, self.worker, self.hooks = arbiter.server, arbiter.next, arbiter.hooks
        for stream, before in arbiter.buffering:
            stream.reconfigure(line_buffering=before)
        self.worker.pid = os.getpid()
        self.worker.ppid = os.getppid()
        self.server.WORKERS[self.worker.pid] = self.worker
        self.response = arbiter.response
        self.most = self.worker.max_requests

    def call(self, name):
        """Exceptions propagate to the caller."""
        if name in ("worker_int", "worker_exit"):
            self.worker._alive = False
        hook = self.hooks.get(name)
        if hook is not None:
            hook(*([self.server, self.worker] if HOOKS[name] == 2 else [self.worker]))
        if name == "post_worker_init":
            self.worker.booted = True

    def try_to_call(self, name):
        try:
            self.call(name)
        except BaseException as error:
            self.server.log.log("warning", "exception in the hook %s: %s", name, _summary(error), exc_info=error)

    def _leave(self):
        # It tells the log who sends the signal.
        self._leaves()
        os.kill(os.getpid(), signal.SIGTERM)

    def catch_abort(self):
        """Handles SIGABRT, which the master sends to a hung worker."""
        if "worker_abort" not in self.hooks:
            return
        def abort(number, frame):
            self.worker._alive = False
            self.try_to_call("worker_abort")
            self._abort()
            sys.exit(1)

        signal.signal(signal.SIGABRT, abort)

    def app(self):
        return self.server.app.wsgi()

    def initialise(self, app):
        """Called when the app is loaded; returns the app that requests are passed to from then on."""
        self.worker.app.callable = self.worker.wsgi = app
        self.call("post_worker_init")
        return self.worker.wsgi

    def wrap(self, app, is_asgi):
        pre, post = self.hooks.get("pre_request"), self.hooks.get("post_request")
        if not self.worker._alive:
            # A worker of gunicorn's would leave its loop at once.
            self.worker._alive, self.worker.max_requests = True, 1
        # As if it had received SIGTERM: in-flight requests finish first.
        self.worker._leave = self._leave
        if self.response is not None and not is_asgi:
            app = _with_fields(app, self.response)
        if pre is None and post is None and self.worker.max_requests == self.most:
            return app
        return _asgi(app, self.worker, pre, post) if is_asgi else _wsgi(app, self.worker, pre, post)

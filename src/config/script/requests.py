"""The hooks of requests around an app, and their arguments. A part of the program that begins in `script.py`."""


def _with_fields(app, response):
    def answered(environ, start_response):
        def start(status, headers, exc_info=None):
            version = _version(environ.get("SERVER_PROTOCOL", "HTTP/1.1"))
            server, added = _fields_of(response, status, headers, version)
            if server is not None and server != "gunicorn":
                added.append(("Server", server))
            return start_response(status, list(headers) + added, exc_info)

        return app(environ, start)

    return answered


def _one_more(worker):
    worker.nr += 1
    if worker.nr >= worker.max_requests and worker.alive:
        worker.alive = False


class Request:
    """`req` of the hooks of requests, made from the app's environ or scope."""

    def __init__(self, method, path, query, headers, version, scheme, peer, uri):
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.version = version
        self.scheme = scheme
        self.uri = uri
        self.unreader = None
        self.fragment = ""
        self.trailers = []
        self.peer_addr = peer
        self.remote_addr = peer
        self.req_number = 1
        self.proxy_protocol_info = None
        self.must_close = False

    def should_close(self):
        for name, value in self.headers:
            if name == "CONNECTION" and value.lower().strip() in ("close", "keep-alive"):
                return self.must_close or value.lower().strip() == "close"
        return self.must_close or self.version <= (1, 0)

    @property
    def raw_path(self):
        return self.uri.partition("?")[0].encode("latin-1", "replace")


class Response:
    """`resp` of post_request."""

    def __init__(self, req):
        self.req = req
        self.status = None
        self.status_code = None
        self.headers = []
        self.sent = 0
        self.headers_sent = False
        self.response_length = None
        self.version = "rgun"
        self.upgrade = False
        self.must_close = False

    @property
    def chunked(self):
        return self.is_chunked()

    def is_chunked(self):
        bodiless = self.req.method == "HEAD" or self.status_code in (204, 304)
        return self.headers_sent and self.response_length is None and self.req.version >= (1, 1) and not bodiless

    def should_close(self):
        return self.must_close or self.req.should_close()

    def take(self, status, headers):
        self.status = status
        self.headers = headers
        self.headers_sent = True
        for name, value in headers:
            if name.lower() == "content-length" and value.isdigit():
                self.response_length = int(value)


def _version(text):
    major, _, minor = text.rpartition("/")[2].partition(".")
    return (int(major or 1), int(minor or 0))


def _wsgi(app, worker, pre, post):
    def hooked(environ, start_response):
        names = [(name[5:].replace("_", "-"), value) for name, value in environ.items() if name.startswith("HTTP_")]
        names += [(name.replace("_", "-"), environ[name]) for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)]
        path, query = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")
        req = Request(
            environ["REQUEST_METHOD"], path, query, names, _version(environ.get("SERVER_PROTOCOL", "HTTP/1.1")), environ["wsgi.url_scheme"],
            (environ.get("REMOTE_ADDR", ""), int(environ.get("REMOTE_PORT") or 0)), environ.get("RAW_URI") or (path + ("?" + query if query else "")),
        )
        req.body = environ["wsgi.input"]
        if pre is not None:
            before = _state(req)
            pre(worker, req)
            if _state(req) != before:
                _update_environ(environ, req, before)
        _one_more(worker)
        if post is None:
            return app(environ, start_response)
        resp = Response(req)

        def start(status, headers, exc_info=None):
            resp.take(status, headers)
            resp.status_code = int(status.split(" ", 1)[0])
            write = start_response(status, headers, exc_info)

            def counting(block):
                resp.sent += len(block)
                return write(block)

            return counting

        done = _Done(worker, post, req, environ, resp)
        try:
            iterable = app(environ, start)
        except BaseException:
            done()
            raise
        return _Blocks(iterable, resp, done)

    return hooked


def _state(req):
    """The fields of a request that a hook may change."""
    return (req.method, req.path, req.query, req.scheme, req.uri, list(req.headers))


def _update_environ(environ, req, before):
    """Applies a hook's changes of the request to the app's environ."""
    method, path, query, scheme, uri, headers = before
    environ["REQUEST_METHOD"], environ["QUERY_STRING"], environ["wsgi.url_scheme"], environ["RAW_URI"] = req.method, req.query or "", req.scheme, req.uri
    if req.path != path:
        prefix = environ.get("SCRIPT_NAME", "")
        text = unquote_to_bytes(req.path or "").decode("latin-1")
        environ["PATH_INFO"] = text[len(prefix):] if prefix and text.startswith(prefix) else text
    if req.headers == headers:
        return
    for name in [name for name in environ if name.startswith("HTTP_")] + ["CONTENT_TYPE"]:
        environ.pop(name, None)
    for name, value in req.headers:
        key = name.upper().replace("-", "_")
        if key == "CONTENT_LENGTH":
            continue
        key = key if key == "CONTENT_TYPE" else "HTTP_" + key
        environ[key] = "%s,%s" % (environ[key], value) if key in environ and key != "CONTENT_TYPE" else value
    # For the access log, which otherwise has the fields as received.
    environ.update(("rgun.field." + name.lower(), value) for name, value in req.headers)


def _updated_scope(scope, req, before):
    method, path, query, scheme, uri, headers = before
    scope = dict(scope, method=req.method, scheme=req.scheme, query_string=(req.query or "").encode("latin-1"))
    if req.path != path:
        raw = (req.path or "").encode("latin-1", "replace")
        scope.update(raw_path=raw, path=unquote_to_bytes(raw).decode("utf-8", "replace"))
    if req.headers != headers:
        scope["headers"] = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in req.headers]
    return scope


class _Done:
    """Calls post_request once; what it raises is logged."""

    def __init__(self, worker, post, *arguments):
        self.worker, self.post, self.arguments = worker, post, arguments

    def __call__(self):
        post, self.post = self.post, None
        if post is None:
            return
        try:
            post(self.worker, *self.arguments)
        except Exception:
            self.worker.log.exception("Exception in post_request hook")


class _Blocks:
    def __init__(self, iterable, resp, done):
        self.iterable, self.resp, self.done = iterable, resp, done

    def __iter__(self):
        for block in self.iterable:
            self.resp.sent += len(block)
            yield block

    def close(self):
        try:
            if hasattr(self.iterable, "close"):
                self.iterable.close()
        finally:
            self.done()


def _asgi(app, worker, pre, post):
    async def hooked(scope, receive, send):
        if scope["type"] != "http":
            return await app(scope, receive, send)
        headers = [(name.decode("latin-1").upper(), value.decode("latin-1")) for name, value in scope["headers"]]
        query = scope["query_string"].decode("latin-1")
        raw = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        peer = tuple(scope["client"]) if scope.get("client") else ("", 0)
        req = Request(
            scope["method"], scope["path"], query, headers, _version(scope["http_version"]), scope["scheme"], peer, raw + ("?" + query if query else ""),
        )
        if pre is not None:
            before = _state(req)
            pre(worker, req)
            if _state(req) != before:
                scope = _updated_scope(scope, req, before)
        _one_more(worker)
        if post is None:
            return await app(scope, receive, send)
        resp = Response(req)

        async def counting(message):
            if message["type"] == "http.response.start":
                # An iterable, which may be read once.
                fields = list(message.get("headers", ()))
                message = dict(message, headers=fields)
                status = message["status"]
                resp.status_code = status
                resp.take("%d %s" % (status, REASONS.get(status, "")), [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields])
            elif message["type"] == "http.response.body":
                resp.sent += len(message.get("body", b""))
            return await send(message)

        environ = {"REQUEST_METHOD": req.method, "PATH_INFO": req.path, "QUERY_STRING": query, "RAW_URI": req.uri, "REMOTE_ADDR": peer[0]}
        environ.update(("HTTP_" + name.replace("-", "_"), value) for name, value in headers)
        done = _Done(worker, post, req, environ, resp)
        try:
            return await app(scope, receive, counting)
        finally:
            done()

    return hooked

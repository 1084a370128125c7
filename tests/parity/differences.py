"""Where rgun differs from gunicorn, fact by fact, and why. A listed fact that is the same fails the suite."""

_OURS = "the RFCs ask for it"
_PROXIES = "the client's address comes through trusted proxies, as docs/settings.md says of --forwarded-allow-ips"
_ESCAPED = "a backslash and what is not ASCII are escaped like a quote, or the line could not be read back"
_REFERERS = "RFC 9110 10.1.3 knows one; it is not joined of several"
_USER = "RFC 7617 2: what has no colon has no name; it may be a secret"
_URI = "one more name for RAW_URI, as other servers have it"
_LEADER = "one of the workers is the leader, as docs/companions.md says"
_SOCKET = "there is no Python socket behind a request"

# story -> pattern of facts (as in fnmatch) -> reason
DIFFERENCES = {
    "an_app_that_cannot_be_loaded": {
        "with --preload, *: exit code": "a failed import has the exit code that it has without --preload",
        "not a name: exit code": "found before anything is started, as other wrong values are",
    },
    "a_command_line_that_is_wrong": {
        "unknown log level: *": "gunicorn takes any word for `info`",
    },
    "variables_of_the_environment": {
        "GUNICORN_CMD_ARGS=--bind '127": "wrong use of options is 2 wherever they stand",
        "PORT=abc": "a wrong value is found before anything is started",
        "WEB_CONCURRENCY=": "an empty variable says nothing",
    },
    "the_environ_of_many_requests": {
        "*: REQUEST_URI": _URI,
        "*: gunicorn.socket": _SOCKET,
        "*: rgun.leader": _LEADER,
        "chunked post*: CONTENT_LENGTH": "the body is complete, and Django reads none without a length",
        "chunked post*: HTTP_TRANSFER_ENCODING": "the body is decoded",
        "forwarded for: REMOTE_ADDR": _PROXIES,
        "forwarded scheme*: HTTPS": "mod_wsgi's name, which some frameworks read",
        "forwarded scheme, unknown: wsgi.url_scheme": "Traefik says wss of a handshake over TLS",
        "mount point: *": "a client's SCRIPT_NAME counts only where --forwarder-headers names it",
        "repeated cookie: HTTP_COOKIE": "RFC 9113 8.2.3: cookies are joined by semicolons",
    },
    "the_environ_with_threads": {"plain: REQUEST_URI": _URI, "plain: gunicorn.socket": _SOCKET, "plain: rgun.leader": _LEADER},
    "the_environ_with_a_mount_point_from_the_environment": {
        "*, /elsewhere: *": "what is outside of the mount point is the app's to refuse; gunicorn logs a traceback",
    },
    "what_an_answer_looks_like": {
        "/own in *: Date": "an app may say these itself",
        "/own in *: Server": "an app may say these itself",
        "* in HTTP/1.0: version": "RFC 9112 2.3: an answer names the server's own version",
    },
    "the_scope_of_many_requests": {
        "*: asgi": "rgun keeps the promises of 2.5",
        "*: rgun.leader": _LEADER,
        "absolute form*: path": "RFC 9112 3.2.2: the path of an absolute target is its path",
        "absolute form*: raw_path": "RFC 9112 3.2.2: the path of an absolute target is its path",
        "forwarded scheme, *: scheme": "--secure-scheme-headers, as for WSGI",
        "leading empty line: *": "RFC 9112 2.2: it is ignored",
        "mount point: headers": "names with underscores are dropped, as for WSGI",
        "underscore: headers": "names with underscores are dropped, as for WSGI",
    },
    "requests_that_are_malformed": {
        "HTTP/1.2": "served as 1.1; gunicorn answers in a version that it does not have",
        "HTTP/2.0": "505 is the answer to a version",
        "coding that is not known": "RFC 9112 6.3: 400 where the last coding is not chunked",
        "connect": "there is no tunnel to be had",
        "host with a blank": _OURS,
        "no host": _OURS,
        "the same length twice": "RFC 9110 8.6 allows to take them for one",
    },
    "one_with_a_logging_dictionary": {
        "the error log has its form": "the dictionary is the workers'; the server's own lines are not written by Python",
    },
    "the_default_format": {
        "behind a proxy": _PROXIES,
        "quotes": _ESCAPED,
        "raises": "gunicorn does not count its own error page",
        "tab in the user agent": _ESCAPED,
        "two referers": _REFERERS,
        "user of many letters": _ESCAPED,
        "user without a password": _USER,
    },
    "a_line_of_a_unix_socket": {"line": "an atom that is empty makes columns move"},
    "a_client_that_leaves": {"status": "nginx's 499, since no response began; gunicorn says what it would have been"},
    "logger_classes": {"Quiet: exit code": "logs are written without Python: methods cannot count"},
    "a_request_that_is_refused": {"line *": "it has its line, too"},
    "every_atom": {
        "*: {date}o": "the field is in the response, whoever has set it",
        "absolute form: {HTTP_HOST}e": "RFC 9112 3.2.2: the host of an absolute target counts",
        "behind a proxy: h": _PROXIES,
        "escapes: U": _ESCAPED,
        "escapes: {path_info}e": _ESCAPED,
        "quotes: a": _ESCAPED,
        "tab in the user agent: a": _ESCAPED,
        "two referers: f": _REFERERS,
        "user of many letters: u": _ESCAPED,
        "user without a password: u": _USER,
        "quotes: {x-req}i": "what is not ASCII is escaped; gunicorn writes another encoding than it got",
        "raises: *": "gunicorn does not know the request any more",
    },
}

# Not there yet: the same, without complaint when it is.
AWAITED = {}

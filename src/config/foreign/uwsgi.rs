//! uWSGI's options, and what to write instead.

use super::ForeignServer;

pub(super) const PROGRAM: ForeignServer = ForeignServer {
    verdict: "is uWSGI's",
    options: &[
        (
            "--module",
            "name the app as in `rgun site.wsgi:application`",
        ),
        (
            "--wsgi-file",
            "name the app as in `rgun site.wsgi:application`",
        ),
        ("--wsgi", "name the app as in `rgun site.wsgi:application`"),
        (
            "--callable",
            "name the app as in `rgun site.wsgi:application`",
        ),
        ("--http-socket", "use `-b ADDRESS`"),
        (
            "--socket",
            "use `-b ADDRESS`, and in nginx `proxy_pass` instead of `uwsgi_pass`",
        ),
        ("--chmod-socket", "use `--umask MASK`"),
        ("--processes", "use `-w N`"),
        ("--master", "there always is one: leave it out"),
        ("--enable-threads", "they always are: leave it out"),
        (
            "--lazy-apps",
            "each worker imports the app itself: leave it out",
        ),
        ("--lazy", "each worker imports the app itself: leave it out"),
        ("--need-app", "it always is: leave it out"),
        ("--die-on-term", "TERM always ends the server: leave it out"),
        ("--vacuum", "sockets are always removed: leave it out"),
        ("--single-interpreter", "there is only one: leave it out"),
        (
            "--thunder-lock",
            "connections are spread evenly: leave it out",
        ),
        (
            "--no-orphans",
            "workers never outlive the master: leave it out",
        ),
        ("--harakiri", "use `--timeout SECONDS`"),
        (
            "--http-timeout",
            "use `--body-timeout SECONDS` and `--write-timeout SECONDS`",
        ),
        ("--buffer-size", "use `--limit-request-field-size BYTES`"),
        ("--limit-post", "use `--limit-request-body BYTES`"),
        ("--post-buffering", "large bodies always are: leave it out"),
        ("--listen", "use `--backlog N`"),
        ("--reload-on-rss", "use `--max-worker-memory BYTES`"),
        ("--worker-reload-mercy", "use `--graceful-timeout SECONDS`"),
        ("--uid", "use `--user USER`"),
        ("--gid", "use `--group GROUP`"),
        ("--daemonize", "use `--daemon` and `--error-logfile FILE`"),
        ("--logto", "use `--error-logfile FILE`"),
        ("--req-logger", "use `--access-logfile FILE`"),
        (
            "--disable-logging",
            "there is no access log without `--access-logfile`: leave it out",
        ),
        ("--stats", "use `--admin-bind ADDRESS`"),
        ("--ini", "use `--config FILE`"),
        (
            "--virtualenv",
            "install rgun in that environment and run it from there",
        ),
        ("--py-autoreload", "use `--reload`"),
        ("--touch-reload", "send the master a HUP to reload"),
        ("--static-map", "use --static PREFIX=DIR"),
        ("--mount", "use `--root-path PATH`"),
    ],
};

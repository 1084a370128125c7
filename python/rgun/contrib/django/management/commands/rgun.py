"""``python manage.py rgun [addrport] [options]``: serves the project as `runserver` would, with rgun."""

from __future__ import annotations

import json
import os
import re
import sys
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from rgun import _rgun
from rgun.compat import run

# Carries the command's choices to the workers, which serve `APP`.
VARIABLE = "__RGUN_DJANGO"
# Text for the master to print (src/hosted/announcement.rs).
ANNOUNCEMENT = "__RGUN_ANNOUNCEMENT"
APP = "rgun.contrib.django.served:application"

_ADDRESS = re.compile(r"(?:(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):)?(?P<port>\d+)")
_WSGI_CLASSES = ("wsgi", "sync", "gthread")
# Options that Django has itself, or that this command decides.
_NOT_OFFERED = ("pythonpath", "wsgi_app", "factory", "python", "chdir")


class Command(BaseCommand):
    help = "Serves this project with rgun; in DEBUG it reloads when a file changes, and serves static files."
    # Done by `handle`, with a message, as runserver does.
    requires_system_checks = []
    suppressed_base_arguments = {"--verbosity", "--traceback"}

    def add_arguments(self, parser):
        parser.add_argument("addrport", nargs="?", help="Port, or address:port; as with runserver [127.0.0.1:8000]")
        parser.add_argument("--ipv6", "-6", action="store_true", dest="use_ipv6", help="Use an IPv6 address")
        parser.add_argument(
            "--interface", choices=("auto", "asgi", "wsgi"), default="auto",
            help="Which of the project's applications is served; auto: ASGI where ASGI_APPLICATION is set, else WSGI",
        )
        parser.add_argument("--noreload", action="store_false", dest="use_reloader", help="Do not reload when a file changes")
        parser.add_argument("--nostatic", action="store_false", dest="use_static_handler", help="Do not serve static files at STATIC_URL")
        parser.add_argument("--insecure", action="store_true", dest="insecure_serving", help="Serve static files even if DEBUG is False")
        parser.add_argument("--nothreading", action="store_false", dest="use_threading", help="One thread for sync code (WSGI)")
        parser.add_argument("--skip-checks", action="store_true", help="Skip system checks")
        group = parser.add_argument_group("rgun", "Every option of rgun; `rgun --help` has the details")
        for name, option, short, repeated, shape, text in _rgun.settings():
            if option is None or name in _NOT_OFFERED:
                continue
            flags = ["--" + option] + (["-" + short] if short and short not in "vh6" else [])
            action = {"action": "store_true"} if shape == "switch" else {"action": "append"} if repeated else {}
            group.add_argument(*flags, dest=name, default=None, help=text.replace("%", "%%"), **action)

    def handle(self, *args, **options):
        if not settings.DEBUG and not settings.ALLOWED_HOSTS:
            raise CommandError("You must set settings.ALLOWED_HOSTS if DEBUG is False.")
        wish = {name: options[name] for name, *_ in _rgun.settings() if options.get(name) is not None and name not in _NOT_OFFERED}
        wish.setdefault("bind", [_bind(options["addrport"], options["use_ipv6"])])
        interface = _interface(options["interface"], wish.get("worker_class"))
        wish["worker_class"] = interface
        wish.setdefault("config", str(Path(__file__).parents[2] / "rgun.toml"))
        if not options["use_threading"]:
            wish["threads"] = 1
        reloads = options["use_reloader"] and (settings.DEBUG or bool(wish.get("reload")))
        wish["reload"] = reloads
        if reloads:
            wish["reload_extra_files"] = [*(wish.get("reload_extra_files") or []), *_watched_directories()]
        if settings.DEBUG:
            # A request may be held in a debugger, and requests are to be shown in the terminal.
            wish.setdefault("timeout", 0)
            wish.setdefault("accesslog", "-")
        # Its output is for a program or a file.
        prints = bool(wish.get("print_config") or wish.get("print_changed"))
        if reloads and not prints:
            self.stdout.write("Watching for file changes with rgun\n")
        if not options["skip_checks"] and not prints:
            self._check(reloads)
        if not prints:
            self.check_migrations()
        for connection in connections.all():
            connection.close()
        static = options["use_static_handler"] and (settings.DEBUG or options["insecure_serving"]) and _has_static_files()
        os.environ[VARIABLE] = json.dumps({"interface": interface, "static": static, "check": reloads and not options["skip_checks"]})
        if not prints and not wish.get("check_config"):
            os.environ[ANNOUNCEMENT] = self._announcement()
        self.stdout.flush()
        # So that the workers can import what this process can: `manage.py`'s own directory and --pythonpath.
        code = run(APP, pythonpath=_project_path(options), **wish)
        if code:
            sys.exit(code)

    def _check(self, reloads):
        self.stdout.write("Performing system checks...\n\n")
        try:
            self.check(display_num_errors=True)
        except Exception:
            # The workers check as well and report the error; with --reload they wait for the next save.
            if not reloads:
                raise

    def _announcement(self):
        """The text of runserver, which the server prints once it listens."""
        kind = "development server" if settings.DEBUG else "server"
        lines = [
            datetime.now().strftime("%B %d, %Y - %X"),
            "Django version %s, using settings %r" % (self.get_version(), settings.SETTINGS_MODULE),
            "Starting %s at {address}" % kind,
            "Quit the server with CONTROL-C.",
        ]
        return "\n".join(lines)


def _bind(addrport, ipv6):
    if not addrport:
        return "[::1]:8000" if ipv6 else "127.0.0.1:8000"
    match = _ADDRESS.fullmatch(addrport)
    if match is None or int(match.group("port")) > 65535:
        raise CommandError('"%s" is not a valid port number or address:port pair.' % addrport)
    host = match.group("host") or ("[::1]" if ipv6 else "127.0.0.1")
    # runserver's abbreviation of every address.
    return "%s:%s" % ("0.0.0.0" if host == "0" else host, match.group("port"))


def _interface(wished, worker_class):
    if wished != "auto":
        return wished
    if worker_class and worker_class != "auto":
        return "wsgi" if worker_class in _WSGI_CLASSES else "asgi"
    return "asgi" if getattr(settings, "ASGI_APPLICATION", None) else "wsgi"


def _has_static_files():
    from django.apps import apps

    return apps.is_installed("django.contrib.staticfiles")


def _watched_directories():
    """Templates and translations: both are cached, also in DEBUG."""
    from django.template.autoreload import get_template_directories

    directories = [str(path) for path in get_template_directories()]
    directories += [str(path) for path in settings.LOCALE_PATHS]
    return sorted({path for path in directories if os.path.isdir(path) and "site-packages" not in path})


def _project_path(options):
    here = os.getcwd()
    script = os.path.dirname(os.path.abspath(sys.argv[0]))
    paths = [options.get("pythonpath"), script if script in sys.path and os.path.isfile(sys.argv[0]) else None]
    return [path for path in paths if path and os.path.abspath(path) != here] or None

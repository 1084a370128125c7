"""The project as `manage.py rgun` serves it: its ASGI or WSGI application, with static files where runserver has them.

Imported in the workers only. The command passes its choices in an environment variable, which is removed again.
"""

import json
import os

VARIABLE = "__RGUN_DJANGO"


def application_of(interface):
    """The application that the settings name, or Django's default if they name none; ``interface``: "asgi" or "wsgi"."""
    import django
    from django.conf import settings
    from django.utils.module_loading import import_string

    django.setup()
    place = getattr(settings, "ASGI_APPLICATION" if interface == "asgi" else "WSGI_APPLICATION", None)
    if place:
        return import_string(place)
    if interface == "asgi":
        from django.core.asgi import get_asgi_application

        return get_asgi_application()
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def _with_static_files(app, interface):
    from django.contrib.staticfiles import handlers

    return (handlers.ASGIStaticFilesHandler if interface == "asgi" else handlers.StaticFilesHandler)(app)


def _check():
    # Imports the URLs and with them the views: an error there stops this worker, and the old one goes on serving.
    from django.core.management.base import BaseCommand

    BaseCommand().check()


def _make():
    wish = json.loads(os.environ.pop(VARIABLE, "{}"))
    interface = wish.get("interface", "asgi")
    app = application_of(interface)
    if wish.get("check"):
        _check()
    return _with_static_files(app, interface) if wish.get("static") else app


application = _make()

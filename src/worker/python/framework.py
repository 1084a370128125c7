"""Knowledge about frameworks: what they load at the first request, which Host they accept, their names.

No view is called.
"""

import functools
import gc
import sys
import types
from importlib import import_module

# Attributes that hold several apps, routes or mounts. An attribute that holds one callable is followed whatever its
# name is.
_GROUPS = ("application_mapping", "apps", "mounts", "routes")
_MOST_PARTS = 10_000


def warm_up(app, loop):
    """`loop`: the event loop of an ASGI app, which is not running yet. Errors are the app's own.

    Returns whether something is left that can only be loaded with the loop.
    """
    parts = list(_parts_of(app))
    if _serves_django(parts):
        _warm_django()
    stacks = _starlette_apps(parts)
    if loop is not None and stacks:
        # Their middleware is created within the running loop, as by the first request.
        error = loop.run_until_complete(_attempt(_build_stacks, stacks))
        if error is not None:
            raise error
        return False
    return bool(stacks)


async def _attempt(function, *arguments):
    # Returned, so that no frame of the event loop appears in the traceback.
    try:
        function(*arguments)
    except Exception as error:
        return error


def _parts_of(app):
    """The app and what it contains: wrappers, middleware, mounted apps. Nothing is called, no property is read."""
    waiting, seen = [app], set()
    while waiting and len(seen) < _MOST_PARTS:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting.extend(_within(one))


def _within(one):
    kind = type(one)
    if kind is functools.partial:
        return [one.func, *one.args]
    if kind is types.MethodType:
        return [one.__self__]
    if kind is types.FunctionType:
        found = [cell.cell_contents for cell in one.__closure__ or () if _is_filled(cell)]
        return [part for part in found + [one.__dict__.get("__wrapped__")] if _may_be_app(part)]
    try:
        attributes = object.__getattribute__(one, "__dict__")
    except AttributeError:
        return []
    if not isinstance(attributes, dict):
        return []
    found = [part for part in list(attributes.values()) if _may_be_app(part)]
    for name in _GROUPS:
        group = attributes.get(name)
        if type(group) is dict:
            found.extend(group.values())
        elif type(group) in (list, tuple):
            found.extend(group)
    return found


def _is_filled(cell):
    try:
        cell.cell_contents
    except ValueError:
        return False
    return True


def _may_be_app(part):
    # By its type: asking a proxy object would load what it stands for.
    return callable(part) and not issubclass(type(part), (type, types.BuiltinFunctionType))


def _starlette_apps(parts):
    applications = sys.modules.get("starlette.applications")
    if applications is None:
        return []
    return [part for part in parts if issubclass(type(part), applications.Starlette)]


def _build_stacks(apps):
    """Builds an app's middleware as its first call would: if that were the lifespan call, its error would be taken for
    an app without lifespan."""
    for app in apps:
        if getattr(app, "middleware_stack", False) is None:
            app.middleware_stack = app.build_middleware_stack()


def _serves_django(parts):
    """Whether requests reach Django: an app of another kind may use only its models."""
    base = sys.modules.get("django.core.handlers.base")
    if base is None:
        return False
    from django.apps import apps
    from django.conf import settings

    if not (settings.configured and apps.ready):
        return False
    handler = base.BaseHandler
    # The second search is for handlers within wrappers that do not expose what they hold.
    return any(issubclass(type(part), handler) for part in parts) or any(issubclass(type(one), handler) for one in gc.get_objects())


def _warm_django():
    """Middleware is loaded with the handler, everything else at the first request."""
    opened = _open_connections()
    _load_urls()
    _load_templates()
    for optional in (_load_translations, _load_backends, _load_static_files):
        try:
            optional()
        except Exception:
            # A wrong setting that may never be used: the app meets the error where it uses it.
            pass
    # A connection opened in this thread would never be used, and must not be inherited by a process forked from this
    # one.
    for connection in _open_connections():
        if connection not in opened:
            connection.close()


def _load_urls():
    from django.conf import settings
    from django.urls import get_resolver

    place = getattr(settings, "ROOT_URLCONF", None)
    if not place:
        return
    if isinstance(place, str):
        # By ourselves first: a traceback then begins with the project's own file.
        import_module(place)
    resolver = get_resolver()
    _visit(resolver)
    # Compiles every pattern, and fills the table that `reverse` needs.
    resolver.namespace_dict
    for code in (400, 403, 404, 500):
        resolver.resolve_error_handler(code)


def _visit(resolver):
    for pattern in resolver.url_patterns:
        if hasattr(pattern, "url_patterns"):
            _visit(pattern)


def _load_templates():
    from django.template import engines

    for engine in engines.all():
        for holder in (engine, getattr(engine, "engine", None)):
            for lazy in ("template_context_processors", "template_loaders"):
                getattr(holder, lazy, None)
        # The parser's own patterns are compiled with the first template; this one is valid in every engine.
        engine.from_string("{{ a }}{{ b }}")


def _load_translations():
    from django.conf import settings
    from django.utils import formats, translation

    if settings.USE_I18N:
        translation.gettext("")
    formats.get_format("DATE_FORMAT")


def _load_backends():
    from django.conf import settings
    from django.core.cache import caches
    from django.db import connections
    from django.utils.module_loading import import_string

    for alias in connections:
        connections[alias]
    for alias in settings.CACHES:
        caches[alias]
    for place in (settings.SESSION_SERIALIZER, settings.MESSAGE_STORAGE, *settings.AUTHENTICATION_BACKENDS):
        import_string(place)


def _load_static_files():
    from django.apps import apps

    if apps.is_installed("django.contrib.staticfiles"):
        from django.contrib.staticfiles.storage import staticfiles_storage

        staticfiles_storage.url  # makes the storage, which reads its manifest


def _open_connections():
    from django.db import connections

    try:
        made = connections.all(initialized_only=True)
    except TypeError:
        # Before Django 4.1.
        made = []
    return [connection for connection in made if connection.connection is not None]


def close_idle():
    """Django opens the connections to its databases again when they are needed."""
    if "django.db" in sys.modules:
        from django.conf import settings
        from django.db import connections

        if settings.configured:
            connections.close_all()


LOCALHOST = "localhost"


def ready_host(app):
    """The Host for a request that the worker makes to itself: the first that Django's ALLOWED_HOSTS accepts."""
    if not _serves_django(list(_parts_of(app))):
        return LOCALHOST
    from django.conf import settings
    from django.http.request import split_domain_port, validate_host

    try:
        allowed = list(settings.ALLOWED_HOSTS)
    except TypeError:
        # An object that only supports `in`.
        return LOCALHOST
    for entry in allowed:
        host = LOCALHOST if entry == "*" else str(entry).lstrip(".")
        domain, _ = split_domain_port(host)
        if domain and host.isascii() and validate_host(domain, allowed):
            return host
    return LOCALHOST


# By the module and the name of the class of their apps.
_FRAMEWORKS = {
    ("fastapi", "FastAPI"): "FastAPI",
    ("starlette", "Starlette"): "Starlette",
    ("litestar", "Litestar"): "Litestar",
    ("quart", "Quart"): "Quart",
    ("flask", "Flask"): "Flask",
    ("falcon", "App"): "Falcon",
    ("bottle", "Bottle"): "Bottle",
    ("pyramid", "Router"): "Pyramid",
    ("sanic", "Sanic"): "Sanic",
}


def describe(app):
    """`Django 5.2.1`; None where the framework is unknown."""
    parts = list(_parts_of(app))
    if _serves_django(parts):
        return "Django " + _version("django")
    for part in parts:
        for kind in type(part).__mro__:
            package = str(kind.__module__).split(".")[0]
            name = _FRAMEWORKS.get((package, kind.__name__))
            if name is not None:
                return (name + " " + _version(package)).strip()
    return None


def _version(package):
    try:
        from importlib import metadata

        return metadata.version(package)
    except Exception:  # not installed; or a `csv.py` of the project breaks `metadata`
        return ""

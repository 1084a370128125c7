"""Imports the app and detects its protocol."""

import ast
import builtins
import functools
import importlib
import inspect
import os
import sys
import traceback
import types


class LoadError(Exception):
    """The app cannot be loaded. `args`: (summary, hint)."""


class ModuleMissing(LoadError):
    """There is no such module."""


def prepare_path(chdir, pythonpath):
    """The working directory is importable, as with gunicorn; `--pythonpath` comes before it."""
    here = _here()
    for entry in ([here] if here else []) + list(reversed(pythonpath)):
        entry = os.path.abspath(entry) if here else entry
        if entry in sys.path:
            sys.path.remove(entry)
        sys.path.insert(0, entry)


def django_files(kind):
    """Where `kind` ("STATIC" or "MEDIA") files are, as the app's Django settings say: the path of their URL, and the directory."""
    settings = sys.modules.get("django.conf")
    settings = settings and settings.settings
    if not settings or not settings.configured:
        raise LoadError(
            "--static django: the app has not loaded Django's settings", "name the directory: `--static PREFIX=DIR`"
        )
    url = getattr(settings, kind + "_URL", None)
    root = getattr(settings, kind + "_ROOT", None)
    if not url or not root:
        missing = kind + ("_ROOT" if url else "_URL")
        raise LoadError("--static django: %s is not set in Django's settings" % missing, "set %s" % missing)
    if not url.startswith("/") or url.startswith("//") or not url.strip("/"):
        raise LoadError(
            "--static django: %s_URL is %r, which is no path of this server below the root" % (kind, url),
            "name the directory: `--static PREFIX=DIR`",
        )
    root = os.path.abspath(root)
    if not os.path.isdir(root):
        hint = "run `python manage.py collectstatic`" if kind == "STATIC" else "make the directory"
        raise LoadError("--static django: %s_ROOT, %s, is not a directory" % (kind, root), hint)
    return url.rstrip("/"), root


def _here():
    """The working directory; None: a deploy has deleted it, which does not prevent Python from starting."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def load(module_name, attribute, arguments):
    """The app object for `module:attribute`, or its result for `arguments` (source text; None: it is not called).

    Errors of the user's own code pass through untouched.
    """
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if not _is_missing_spec(error, module_name):
            raise
        raise ModuleMissing("no module named %r" % error.name, _module_hint(module_name)) from None
    if attribute is None:
        found = [name for name in ("application", "app") if hasattr(module, name)]
        if not found:
            raise LoadError(
                "module %r has neither `application` nor `app`" % module_name,
                "name the attribute: `%s:NAME`" % module_name,
            )
        attribute = found[0]
    app = module
    where = module_name
    for name in attribute.split("."):
        try:
            app = getattr(app, name)
        except AttributeError:
            raise LoadError("%r has no attribute %r" % (where, name), _attribute_hint(app, name)) from None
        where += (":" if where == module_name else ".") + name
    if arguments is not None:
        if not callable(app):
            raise LoadError("%r is not callable, so it is no factory" % where, "leave the `()` or `--factory` away")
        app = _call(app, where, arguments)
        if app is None:
            raise LoadError("the factory %r returned None" % where, "it must return the app")
    if not callable(app):
        raise LoadError("%r is not callable (%s)" % (where, type(app).__name__), "it must be an ASGI or WSGI application")
    if _takes_no_request(app):
        hint = "if it returns the app, it is a factory: `%s()`, or --factory" % where.rpartition(":")[2] if arguments is None else "it must be an ASGI or WSGI application"
        raise LoadError("%r takes no request: it can be called without arguments" % where, hint)
    return app


def _takes_no_request(app):
    """Whether no argument of an app fits: neither WSGI's two, nor ASGI's three, nor ASGI 2's one, which has no default."""
    found = _positional(app)
    return found is not None and found[1] == 0 and found[2] <= 1


def _call(factory, where, arguments):
    try:
        call = ast.parse("_(%s)" % arguments, mode="eval").body
        if not isinstance(call, ast.Call) or any(keyword.arg is None for keyword in call.keywords):
            raise ValueError
        positional = [ast.literal_eval(one) for one in call.args]
        named = {one.arg: ast.literal_eval(one.value) for one in call.keywords}
    except (SyntaxError, ValueError):
        hint = "strings, numbers, True, None, and lists and dictionaries of them can be passed; let the factory read the environment for the rest"
        raise LoadError("the arguments in `%s(%s)` are not literal values" % (where, arguments), hint) from None
    try:
        return factory(*positional, **named)
    except TypeError as error:
        if _raised_by_user(error):
            raise
        raise LoadError("%s" % error, "it was called as `%s(%s)`" % (where, arguments)) from None


def _is_missing_spec(error, module_name):
    """Whether the missing module is the one asked for or a parent of it, not one that it imports itself."""
    return error.name is not None and (module_name + ".").startswith(error.name + ".") and not _raised_by_user(error)


def _raised_by_user(error):
    frames = traceback.extract_tb(error.__traceback__)
    return any(not _ours(f.filename) and not _importlib(f.filename) for f in frames)


def _module_hint(module_name):
    top = module_name.split(".")[0]
    if module_name.endswith(".py") or "/" in module_name:
        return "give a dotted module, such as `config.asgi:application`"
    here = _here()
    if here is None:
        return "the working directory does not exist any more; looked in sys.path"
    names = [n[:-3] if n.endswith(".py") else n for n in _listdir(here)]
    module, _, attribute = module_name.rpartition(".")
    if hasattr(sys.modules.get(module), attribute):
        return "did you mean `%s:%s`?" % (module, attribute)
    close = _close(top, names)
    if close and close[0] != top:
        return "did you mean `%s`?" % ".".join([close[0]] + module_name.split(".")[1:])
    return "looked in %s and sys.path; see --chdir and --pythonpath" % here


def _close(word, possibilities, cutoff=0.6):
    from difflib import get_close_matches  # only for an error

    return get_close_matches(word, possibilities, 1, cutoff)


def _listdir(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


def _attribute_hint(owner, name):
    close = _close(name, [n for n in dir(owner) if not n.startswith("_")], 0.5)
    if close:
        return "did you mean `%s`?" % close[0]
    for usual in ("application", "app"):
        if hasattr(owner, usual):
            return "did you mean `%s`?" % usual
    callables = [n for n in dir(owner) if not n.startswith("_") and callable(getattr(owner, n, None))]
    return "it has: %s" % ", ".join(callables[:8]) if callables else "it defines nothing callable"


def interface_of(app):
    """"asgi3", "asgi2" or "wsgi", from the shape of the callable, without calling it."""
    if inspect.isclass(app):
        return _interface_of_class(app)
    if _is_coroutine(app) or _is_coroutine(getattr(app, "__call__", None)):
        return "asgi3"
    return _by_arguments(app, double=True)


def _interface_of_class(kind):
    """Calling a class makes an instance: an iterable one for WSGI, an awaitable or callable one for ASGI."""
    if hasattr(kind, "__await__"):
        return "asgi3"
    return _by_arguments(kind, double=_is_coroutine(getattr(kind, "__call__", None)))


def _by_arguments(function, double):
    """WSGI's `(environ, start_response)`, ASGI 3's `(scope, receive, send)`; `double`: also ASGI 2's `(scope)`."""
    found = _positional(function)
    if found is None:
        return "wsgi"
    named, least, most = found
    if least <= 2 <= most:
        # Three are possible too, with defaults or `*args`: then the names decide.
        return "asgi3" if most >= 3 and [p.name for p in named[:1]] == ["scope"] else "wsgi"
    if least <= 3 <= most:
        return "asgi3"
    return "asgi2" if double and most == 1 else "wsgi"


def _positional(function):
    """Its positional parameters, and how many arguments it takes at least and at most; None: it is written in C, without a signature."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    named = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    most = 99 if any(p.kind is p.VAR_POSITIONAL for p in parameters) else len(named)
    return named, sum(p.default is p.empty for p in named), most


def _is_coroutine(function):
    while isinstance(function, functools.partial):
        function = function.func
    if function is None or inspect.ismethod(function):
        return inspect.iscoroutinefunction(function)
    return inspect.iscoroutinefunction(inspect.unwrap(function))


def asgi2(app):
    """A single callable around ASGI 2's double callable; sets the scope's version to 2.0."""

    async def application(scope, receive, send):
        scope["asgi"]["version"] = "2.0"
        await app(scope)(receive, send)

    return application


def _ours(filename):
    package = sys.modules.get("rgun")
    own = tuple(place + os.sep for place in getattr(package, "__path__", ()))
    return filename.startswith("<rgun") or bool(own) and filename.startswith(own)


# Python 3.11 and later.
GROUPS = getattr(builtins, "BaseExceptionGroup", ())


def format_error(error):
    """The user's traceback, complete, without frames of ours and of importlib."""
    found, waiting = {}, [error]
    while waiting:
        e = waiting.pop()
        if e is not None and id(e) not in found:
            found[id(e)] = e, e.__traceback__
            waiting += e.__context__, e.__cause__, *(e.exceptions if isinstance(e, GROUPS) else ())
    try:
        for e, tb in found.values():
            e.__traceback__ = _of_the_user(tb)
        return "".join(traceback.format_exception(type(error), error, error.__traceback__))
    finally:
        # The app may keep them.
        for e, tb in found.values():
            e.__traceback__ = tb


def _of_the_user(tb):
    kept = []
    while tb is not None:
        name = tb.tb_frame.f_code.co_filename
        if not _ours(name) and not _importlib(name):
            kept.append(tb)
        tb = tb.tb_next
    result = None
    for one in reversed(kept):
        # A copy: the user may have the original.
        result = types.TracebackType(result, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return result


def _importlib(filename):
    """A module that imports by name, and what this calls."""
    return filename.startswith(("<frozen importlib", os.path.dirname(importlib.__file__) + os.sep))


def summary(error):
    return traceback.format_exception_only(type(error), error)[-1].strip()

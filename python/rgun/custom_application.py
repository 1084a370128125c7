"""The settings and the app of a program that starts the server by itself (``rgun.gunicorn``), as a configuration file of the server's."""

from rgun import gunicorn as _gunicorn

_application = _gunicorn.run_again()
globals().update((_name, _value) for _name, _value in _application.cfg.given.items() if _name not in ("config", "check_config", "print_config"))


def __getattr__(name):
    if name == "application":
        return _application.wsgi()
    raise AttributeError("module %r has no attribute %r" % (__name__, name))

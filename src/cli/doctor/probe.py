"""Reports facts of an interpreter and of Django's settings, as one line of JSON: the last one printed.

All imports but Django's are up here: later ones would search the project's directories first.
"""

import importlib.util
import json
import os
import stat
import sys


def main(question):
    module = question.decode()

    def is_writable(path):
        try:
            about = os.stat(path or ".")
        except OSError:
            return False
        return stat.S_ISDIR(about.st_mode) and bool(about.st_mode & stat.S_IWOTH)

    # Workers have the working directory on their path, too.
    paths = {os.path.abspath(path or ".") for path in [*sys.path, os.getcwd()] if isinstance(path, str)}
    facts = {
        "version": sys.version_info[:2],
        "has_uvloop": importlib.util.find_spec("uvloop") is not None,
        "writable": sorted(path for path in paths if is_writable(path)),
        "django": django(module) if module else None,
    }
    sys.stdout.write("\n" + json.dumps(facts) + "\n\0")
    sys.stdout.flush()


def django(module):
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    os.environ["DJANGO_SETTINGS_MODULE"] = module
    try:
        from django.conf import settings

        return {
            "module": module,
            "debug": bool(settings.DEBUG),
            "allowed_hosts": [str(host) for host in settings.ALLOWED_HOSTS],
            "kept_connections": sorted(name for name, one in settings.DATABASES.items() if one.get("CONN_MAX_AGE", 0) != 0),
            "has_generated_key": str(settings.SECRET_KEY).startswith("django-insecure-"),
            "knows_proxy_scheme": bool(settings.SECURE_PROXY_SSL_HEADER),
        }
    except BaseException as error:
        return {"module": module, "error": f"{type(error).__name__}: {error}"}

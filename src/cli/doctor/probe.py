"""Reports facts of an interpreter and of Django's settings, as one line of JSON: the last one printed.

All imports but Django's are up here: later ones would search the project's directories first.
"""

import importlib.util
import json
import os
import re
import stat
import sys


def main(question):
    wish = json.loads(question)

    def is_writable(path):
        try:
            about = os.stat(path or ".")
        except OSError:
            return False
        return stat.S_ISDIR(about.st_mode) and bool(about.st_mode & stat.S_IWOTH)

    # Workers have the working directory on their path, too.
    own = [*wish["path"], os.getcwd()]
    sys.path[:0] = [path for path in own if path not in sys.path]
    paths = {os.path.abspath(path or ".") for path in sys.path if isinstance(path, str)}
    facts = {
        "version": sys.version_info[:2],
        "has_uvloop": importlib.util.find_spec("uvloop") is not None,
        "writable": sorted(path for path in paths if is_writable(path)),
        "app": missing(wish["module"], wish["attribute"]) if wish["module"] else None,
        "django": django(wish["django"]) if wish["django"] else None,
    }
    sys.stdout.write("\n" + json.dumps(facts) + "\n\0")
    sys.stdout.flush()


def missing(name, attribute):
    """Why there is no such app; None also where only an import would tell. Nothing of the project is run."""
    path = None
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        full = ".".join(parts[:count])
        found = (finder.find_spec(full, path) for finder in sys.meta_path if hasattr(finder, "find_spec"))
        spec = next((spec for spec in found if spec is not None), None)
        if spec is None:
            return f"there is no module {full!r}"
        path = spec.submodule_search_locations
        if path is None and count < len(parts):
            return f"{full!r} is a module, and has no modules in it"
    if attribute is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    with open(spec.origin, encoding="utf-8", errors="replace") as file:
        text = file.read()
    # A name that is nowhere in the file can still be made by these, and be a module of a package.
    made = re.search(r"import\s*\*|__getattr__|globals\(|setattr\(|exec\(|vars\(|__dict__", text)
    if made or path is not None or re.search(rf"\b{re.escape(attribute)}\b", text):
        return None
    return f"there is no {attribute!r} in {spec.origin}"


def postgres(name, database):
    pool = (database.get("OPTIONS") or {}).get("pool")
    options = pool if isinstance(pool, dict) else {}
    # Of psycopg_pool: no more than its least number, which is 4.
    most = options.get("max_size") or options.get("min_size") or 4
    return {"name": name, "pool": int(most) if pool else None, "is_kept": database.get("CONN_MAX_AGE", 0) != 0}


def django(module):
    os.environ["DJANGO_SETTINGS_MODULE"] = module
    try:
        from django.conf import settings

        return {
            "module": module,
            "debug": bool(settings.DEBUG),
            "allowed_hosts": [str(host) for host in settings.ALLOWED_HOSTS],
            "kept_connections": sorted(name for name, one in settings.DATABASES.items() if one.get("CONN_MAX_AGE", 0) != 0),
            "postgres": [postgres(name, one) for name, one in sorted(settings.DATABASES.items()) if "postg" in one.get("ENGINE", "")],
            "has_generated_key": str(settings.SECRET_KEY).startswith("django-insecure-"),
            "knows_proxy_scheme": bool(settings.SECURE_PROXY_SSL_HEADER),
        }
    except BaseException as error:
        return {"module": module, "error": f"{type(error).__name__}: {error}"}

"""Settings that come from the environment: addresses of the database and the cache as URLs. It knows no Django setting by name."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

_ENGINES = {
    "sqlite": "django.db.backends.sqlite3",
    "postgres": "django.db.backends.postgresql",
    "postgresql": "django.db.backends.postgresql",
}
_CACHES = {
    "locmem": "django.core.cache.backends.locmem.LocMemCache",
    "file": "django.core.cache.backends.filebased.FileBasedCache",
    "redis": "django.core.cache.backends.redis.RedisCache",
    "rediss": "django.core.cache.backends.redis.RedisCache",
}


def flag(name, default):
    return os.environ.get(name, "1" if default else "0").lower() in ("1", "true", "yes", "on")


def words(name, default):
    return [word for word in os.environ.get(name, default).replace(",", " ").split() if word]


def database(default_file: Path):
    """`DATABASE_URL`: sqlite:///absolute/path or postgresql://user:password@host:5432/name."""
    url = os.environ.get("DATABASE_URL")
    if not url:
        url = f"sqlite://{default_file}"
    parts = urlsplit(url)
    settings = {"ENGINE": _ENGINES[parts.scheme]}
    if parts.scheme == "sqlite":
        # Writers of several workers wait for each other instead of failing at once.
        return {**settings, "NAME": unquote(parts.path), "OPTIONS": {"timeout": 20}}
    return {
        **settings,
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": parts.port or "",
        # Persistent connections and ASGI do not go together (Django's documentation, "Persistent connections").
        "CONN_MAX_AGE": int(os.environ.get("CONN_MAX_AGE", "0")),
    }


def cache():
    """`CACHE_URL`: locmem://, file:///absolute/path or redis://host:6379/0."""
    url = os.environ.get("CACHE_URL", "locmem://")
    parts = urlsplit(url)
    location = {"locmem": "", "file": parts.path}.get(parts.scheme, url)
    return {"BACKEND": _CACHES[parts.scheme], "LOCATION": location}

"""The bar: what rgun's figures, divided by a peer's of the same run, must not exceed."""

from __future__ import annotations

from dataclasses import dataclass

BEST = "the best peer"


@dataclass(frozen=True)
class Limit:
    group: str
    workload: str
    #: "cpu_us", "p99_us" or "pss_mb".
    metric: str
    connections: int
    peer: str
    ratio: float


#: 0.99 where it has to be less, 1.00 where it must not be more.
BAR = (
    Limit("asgi", "hello", "cpu_us", 64, "granian", 0.50),
    Limit("asgi", "hello", "cpu_us", 64, "uvicorn", 0.42),
    Limit("asgi", "hello", "cpu_us", 8, "granian", 0.35),
    Limit("asgi", "echo", "cpu_us", 64, "uvicorn", 0.60),
    Limit("asgi", "stream", "cpu_us", 64, "uvicorn", 0.70),
    Limit("asgi", "connect", "cpu_us", 64, BEST, 1.00),
    Limit("asgi", "fastapi", "cpu_us", 64, BEST, 1.00),
    Limit("asgi", "django", "cpu_us", 64, BEST, 1.00),
    Limit("asgi", "websocket", "cpu_us", 64, BEST, 0.60),
    Limit("asgi", "nginx", "cpu_us", 64, BEST, 1.00),
    Limit("asgi", "nginx-keep-alive", "cpu_us", 64, BEST, 1.00),
    Limit("asgi", "tls-hello", "cpu_us", 64, "granian", 0.55),
    Limit("asgi", "tls-hello", "cpu_us", 64, "uvicorn", 0.45),
    Limit("asgi", "tls-resumed", "cpu_us", 1, "nginx", 1.20),
    Limit("asgi", "h2-hello", "cpu_us", 16, "granian", 0.60),
    Limit("asgi", "hello", "pss_mb", 64, "uvicorn", 0.99),
    Limit("wsgi-1", "hello", "cpu_us", 64, "granian", 0.75),
    Limit("wsgi-1", "hello", "cpu_us", 64, "gunicorn-sync", 0.08),
    Limit("wsgi-1", "django", "cpu_us", 64, "gunicorn-sync", 0.62),
    Limit("wsgi-1", "django", "cpu_us", 64, "granian", 1.00),
    Limit("wsgi-1", "hello", "p99_us", 64, "granian", 1.00),
    Limit("wsgi-1", "hello", "pss_mb", 64, "granian", 0.99),
    Limit("wsgi-1", "hello", "pss_mb", 64, "gunicorn-sync", 0.99),
    Limit("wsgi-1", "nginx", "cpu_us", 64, BEST, 1.00),
    Limit("wsgi-1", "nginx-keep-alive", "cpu_us", 64, BEST, 1.00),
)

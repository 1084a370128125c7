"""Waiting for something to become true. Every wait of the stories has a limit and reports what it waited for."""

import time

# Generous: it is only used up by a test that fails. Nothing is ever slept for.
PATIENCE = 15.0


class NeverHappened(AssertionError):
    """What a story waited for did not come."""


def eventually(condition, what, timeout=PATIENCE, interval=0.01):
    """Return the first true value of `condition()`; fail, naming `what`, when there was none in time."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise NeverHappened(f"not within {timeout:g} s: {what}")
        time.sleep(interval)


def stays(condition, what, duration, interval=0.02):
    """Fail as soon as `condition()` is false within `duration` seconds: for promises that something does *not* happen."""
    deadline = time.monotonic() + duration
    while time.monotonic() < deadline:
        assert condition(), f"no longer true: {what}"
        time.sleep(interval)


def settled(read, quiet=0.3):
    """Wait until a number stops growing; the number."""
    last, since = read(), time.monotonic()
    while time.monotonic() - since < quiet:
        now = read()
        if now > last + 65536:
            last, since = now, time.monotonic()
        time.sleep(0.01)
    return last

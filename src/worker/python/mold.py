"""Checks of a mold before it forks: threads, and sockets of the app."""

import os
import threading
import time

# Seconds that a thread that is about to end may take.
_PATIENCE = 0.1


def threads():
    """The threads beside this one: their names, and the modules that started them."""
    until = time.monotonic() + _PATIENCE
    while True:
        found = _threads()
        if not found or time.monotonic() > until:
            return found
        time.sleep(0.005)


def _threads():
    own = threading.get_native_id()
    known = {thread.native_id: thread for thread in threading.enumerate()}
    found = []
    for number in os.listdir("/proc/self/task"):
        if int(number) == own:
            continue
        thread = known.get(int(number))
        if thread is None:
            found.append("%s (no thread of Python's)" % _name_of(number))
        else:
            found.append("%s (started by %s)" % (thread.name, _origin(thread)))
    return found


def _name_of(number):
    try:
        with open("/proc/self/task/%s/comm" % number) as file:
            return file.read().strip()
    except OSError:
        return number


def _origin(thread):
    # Its function; a user's class has none, and is the origin itself.
    target = getattr(thread, "_target", None)
    return getattr(target, "__module__", None) or type(thread).__module__


def sockets():
    """The descriptors that are sockets."""
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            place = os.readlink("/proc/self/fd/" + number)
        except OSError:
            continue
        if place.startswith("socket:"):
            found[int(number)] = place
    return found


def opened_since(before):
    """Sockets that were opened since, by their addresses. A pair without names belongs to an event loop."""
    opened = [number for number, place in sockets().items() if before.get(number) != place]
    return [place for place in map(_address, opened) if place] if opened else []


def _address(number):
    import socket

    try:
        with socket.socket(fileno=os.dup(number)) as one:
            for name in (_or_none(one.getpeername), _or_none(one.getsockname)):
                if isinstance(name, tuple):
                    return "%s:%d" % name[:2]
                if name:
                    return "unix:%s" % (name.decode("utf-8", "replace") if isinstance(name, bytes) else name)
    except OSError:
        pass
    return None


def _or_none(call):
    try:
        return call()
    except OSError:
        return None

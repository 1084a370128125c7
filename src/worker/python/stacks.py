"""Where Python is at this moment: every thread, every asyncio task. It changes nothing."""

import sys


def tell():
    """Threads first, the caller's own among them; then tasks, those that have not ended."""
    import linecache
    import traceback

    linecache.checkcache()
    parts = _threads(traceback) + _tasks(traceback)
    return "\n".join(parts)


def _threads(traceback):
    import threading

    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts = []
    for ident, frame in sys._current_frames().items():
        name = names.get(ident, "not Python's own")
        parts.append("Thread %s (%#x):\n%s" % (name, ident, _lines(traceback, _stack(frame)) or "  (idle)\n"))
    return parts


def _stack(frame):
    """The outermost first, as in a traceback."""
    frames = []
    while frame is not None:
        frames.append((frame, frame.f_lineno))
        frame = frame.f_back
    return frames[::-1]


def _tasks(traceback):
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return []
    # Those of every loop in every thread; a private set, which has moved between versions.
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return []
    parts = []
    for task in asyncio.all_tasks(loop):
        coroutine = task.get_coro()
        request = getattr(coroutine, "request", None)
        about = " (%s)" % request if request else ""
        parts.append("Task %s%s:\n%s" % (task.get_name(), about, _lines(traceback, _awaits(coroutine)) or "  (not begun)\n"))
    return parts


def _awaits(coroutine):
    """The frames of a suspended coroutine and of what it awaits; task.get_stack() has only the first of them."""
    frames = []
    while coroutine is not None and len(frames) < 100:
        for frame, inner in (("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await")):
            if hasattr(coroutine, frame):
                found = getattr(coroutine, frame)
                if found is not None:
                    frames.append((found, found.f_lineno))
                coroutine = getattr(coroutine, inner)
                break
        else:
            return frames
    return frames


def _lines(traceback, frames):
    frames = [(frame, line) for frame, line in frames if not frame.f_code.co_filename.startswith("<rgun")]
    return "".join(traceback.StackSummary.extract(iter(frames)).format())

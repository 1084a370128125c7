"""The current Python stacks: every thread, every asyncio task."""

import os
import sys


def tell():
    """Threads first, including the caller's own; then the unfinished tasks."""
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
        frames = _of_the_app(_stack(frame))
        lines = "  (idle)\n" if _only_waits(frames) else _lines(traceback, frames)
        parts.append("Thread %s (%#x):\n%s" % (name, ident, lines))
    return parts


def _of_the_app(frames):
    """Frames without those of this program."""
    own = os.sep + os.path.join("rgun", "_hosted.py")
    return [(frame, line) for frame, line in frames if not frame.f_code.co_filename.startswith("<rgun") and not frame.f_code.co_filename.endswith(own)]


def _only_waits(frames):
    """Whether the stack holds only the machinery of an event loop or of a pool's thread."""
    library = os.path.dirname(os.__file__)
    waiting = tuple(os.path.join(library, name) for name in ("asyncio" + os.sep, "concurrent" + os.sep, "selectors.py", "threading.py", "queue.py"))
    return all(frame.f_code.co_filename.startswith(waiting) for frame, _ in frames)


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
        parts.append("Task %s%s:\n%s" % (task.get_name(), about, _lines(traceback, _of_the_app(_awaits(coroutine))) or "  (not begun)\n"))
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
    return "".join(traceback.StackSummary.extract(iter(frames)).format())

"""The slow half of serving ASGI: event loop, lifespan, waiting, drain. Requests do not pass through here."""

import asyncio
import contextvars
import selectors
import signal
import socket
import threading


class Selector(selectors.EpollSelector):
    """The loop's own selector; the loop sleeps in the reactor, which watches this selector's epoll descriptor."""

    engine = None
    _may_be_ready = True

    def select(self, timeout=None):
        engine = self.engine
        if engine is None:
            return super().select(timeout)
        if self._may_be_ready:
            # Edge-triggered: it is quiet only after a poll that returned nothing.
            ready = super().select(0)
            if ready:
                engine.wait(0)
                return ready
            self._may_be_ready = False
        if engine.wait(-1 if timeout is None else timeout):
            self._may_be_ready = True
            return super().select(0)
        return []


def new_asyncio_loop(engine):
    selector = Selector()
    loop = asyncio.SelectorEventLoop(selector)
    engine.watch(selector.fileno())
    selector.engine = engine
    return loop


def new_uvloop(engine, uvloop):
    loop = uvloop.new_event_loop()
    TICK = 0.25
    scheduled = False
    # Requests become tasks in a turn, and a task begins with the context in which it is created. Without this, a turn
    # requested by an app's `send()` would expose that request's context variables to the next request.
    context = contextvars.copy_context()
    # A look at the garbage is scheduled; without `--gc idle` there is none.
    looks = not engine.collects_when_idle()

    def turn():
        nonlocal scheduled
        scheduled = False
        if engine.turn():
            soon()
        if not looks:
            look()

    def look():
        nonlocal looks
        again = engine.look_at_garbage()
        looks = again is not None
        if looks:
            loop.call_later(again, look, context=context)

    def soon():
        nonlocal scheduled
        if not scheduled:
            scheduled = True
            loop.call_soon(turn, context=context)

    def tick():
        turn()
        loop.call_later(TICK, tick)

    engine.on_work(soon)
    loop.add_reader(engine.fileno(), turn)
    loop.call_later(TICK, tick)
    return loop


class LifespanFailed(Exception):
    pass


class Lifespan:
    """The lifespan protocol. `mode`: "auto" | "on"."""

    def __init__(self, loop, app, mode, log):
        self.app, self.mode, self.log = app, mode, log
        self.state = {}
        self.supported = False
        self._inbox = asyncio.Queue()
        self._started = loop.create_future()
        self._stopped = loop.create_future()
        self._task = None
        self._took_startup = False

    async def _run(self):
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self.app(scope, self._receive, self._send)
            error = None
        except asyncio.CancelledError:
            raise
        except BaseException as e:
            if isinstance(e, (SystemExit, KeyboardInterrupt)):
                error = RuntimeError("the app raised %s in lifespan" % type(e).__name__)
            else:
                error = e
        self._ended(error)

    def _ended(self, error):
        if not self._started.done():
            self._started.set_result(("ended", error))
        elif not self._stopped.done():
            self._stopped.set_result(("ended", error))
            if error is not None:
                self.log("error", "exception in the app's lifespan", error)

    async def _receive(self):
        self._took_startup = True
        return await self._inbox.get()

    async def _send(self, message):
        kind = message["type"]
        if kind == "lifespan.startup.complete":
            future, result = self._started, ("complete", None)
        elif kind == "lifespan.startup.failed":
            future, result = self._started, ("failed", message.get("message", ""))
        elif kind == "lifespan.shutdown.complete":
            future, result = self._stopped, ("complete", None)
        elif kind == "lifespan.shutdown.failed":
            future, result = self._stopped, ("failed", message.get("message", ""))
        else:
            raise RuntimeError("unexpected lifespan message %r" % (kind,))
        if future.done():
            raise RuntimeError("lifespan message %r sent out of order" % (kind,))
        future.set_result(result)

    def startup(self, loop):
        """True: the app supports lifespan. Raises LifespanFailed."""
        self._inbox.put_nowait({"type": "lifespan.startup"})
        self._task = loop.create_task(self._run())
        self._task.add_done_callback(lambda _: self._ended(None))
        result, detail = loop.run_until_complete(self._started)
        if result == "complete":
            self.supported = True
        elif result == "failed":
            raise LifespanFailed(detail)
        elif self.mode == "on":
            if detail is not None:
                raise detail
            raise LifespanFailed("the app returned from the lifespan scope without lifespan.startup.complete")
        elif detail is not None and self._took_startup:
            # The specification wants the server to continue. But the app has begun its startup: what it lacks now
            # would be missed later.
            self.log("warning", "the app raised in its lifespan startup, it is served without lifespan", detail)
        elif detail is not None:
            self.log("debug", "the app does not support lifespan: %r" % (detail,))
        return self.supported

    def shutdown(self, loop, timeout):
        if not self.supported or self._task.done():
            return
        self._inbox.put_nowait({"type": "lifespan.shutdown"})
        if not wait_for_one(loop, [self._stopped], timeout):
            self.log("error", "lifespan shutdown did not end in %.1f s" % timeout)
            self._task.cancel()
            return
        result, detail = self._stopped.result()
        if result == "failed":
            self.log("error", "lifespan shutdown failed: %s" % detail)
        # The app may still have to leave its context managers.
        wait_for_one(loop, [self._task], timeout)


def wait_for_one(loop, futures, timeout):
    """Runs the loop until one of them is done. False: none was within the timeout.

    Nothing of ours that waits is a task: apps cancel all tasks, or wait for all of them, and mean their own.
    """
    over = loop.create_future()

    def end(_=None):
        if not over.done():
            over.set_result(None)

    for future in futures:
        future.add_done_callback(end)
    timer = loop.call_later(timeout, end)
    try:
        loop.run_until_complete(over)
    finally:
        timer.cancel()
        for future in futures:
            future.remove_done_callback(end)
    return any(future.done() for future in futures)


def main(engine, loop, app, lifespan_mode, log, probe):
    """From lifespan startup to lifespan shutdown."""
    lifespan = None
    if lifespan_mode != "off":
        lifespan = Lifespan(loop, app, lifespan_mode, log)
        if lifespan.startup(loop):
            engine.set_state(lifespan.state)
    stop = loop.create_future()
    fast = loop.create_future()

    def on_command(kind):
        if kind == "fast":
            settle(fast)
        settle(stop)

    engine.on_command(on_command)
    try:
        if not loop.run_until_complete(engine_ready(engine, loop, probe)):
            return 3
        loop.run_until_complete(stop)
        drained(engine, loop, fast)
        cancel(engine, loop, engine.tasks())
        engine.close_connections()
    finally:
        if lifespan is not None:
            most = engine.time_for_a_step()
            lifespan.shutdown(loop, min(2.0, most) if fast.done() else most)
    return 0


def settle(future):
    if not future.done():
        future.set_result(None)


async def engine_ready(engine, loop, probe):
    """Makes the ready-path request and notifies the master. False: the worker is not ready."""
    engine.listen()
    if probe is not None:
        complaint = probe.complaint(await ask(engine, loop, probe))
        if complaint is not None:
            engine.not_ready(complaint)
            return False
    engine.ready()
    return True


async def ask(engine, loop, probe):
    """The status of the response to the probe's request, made over a socket pair inside the worker; None: there was no response."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    with ours:
        with theirs:
            engine.adopt(theirs.fileno())
        await loop.sock_sendall(ours, probe.request())
        answer = b""
        while True:
            data = await loop.sock_recv(ours, 4096)
            if not data:
                return None
            answer += data
            status = probe.status(answer)
            if status is not None:
                return status


def drained(engine, loop, fast):
    """Waits until no connection and no request is left, the grace period is over, or a fast stop is ordered."""
    quiet = loop.create_future()
    engine.on_quiet(lambda: settle(quiet))
    if not engine.end_if_quiet():
        wait_for_one(loop, [quiet, fast], engine.time_left())
        engine.end_intake()


def cancel(engine, loop, tasks):
    """They get a second to clean up, if there is that much left."""
    for task in tasks:
        task.cancel()
    if tasks:
        wait_for_one(loop, [asyncio.gather(*tasks, return_exceptions=True)], min(1.0, engine.time_for_a_step()))


def run(engine, loop, app, lifespan_mode, log, probe):
    _wake_for_signals(loop)
    try:
        return main(engine, loop, app, lifespan_mode, log, probe)
    finally:
        try:
            _finish(engine, loop)
        finally:
            asyncio.set_event_loop(None)
            engine.close()
            if _is_main_thread():
                # Its descriptor is about to be closed, and may be reused.
                signal.set_wakeup_fd(-1)
            loop.close()


def _is_main_thread():
    return threading.current_thread() is threading.main_thread()


def _wake_for_signals(loop):
    """Handlers that the app sets with `signal.signal` run at once, also when the loop was just about to sleep.

    As asyncio does for handlers of its own; uvloop always does.
    """
    wakes = getattr(loop, "_csock", None)
    if wakes is not None and _is_main_thread():
        before = signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        if before != -1:
            signal.set_wakeup_fd(before)


def _finish(engine, loop):
    cancel(engine, loop, asyncio.all_tasks(loop))
    loop.run_until_complete(loop.shutdown_asyncgens())
    end_executor(engine, loop)


def end_executor(engine, loop):
    """Waits for the threads of the default executor. Not with a timeout of asyncio's: before Python 3.12 a wait that is cancelled
    joins them first."""
    before = set(threading.enumerate())
    ended = loop.create_task(loop.shutdown_default_executor())
    if not wait_for_one(loop, [ended], engine.time_for_threads()):
        # The loop is closed before it is done, which is no mistake of the app's.
        ended._log_destroy_pending = False
        busy = [thread for thread in before if thread.is_alive() and not thread.daemon and thread is not threading.current_thread()]
        engine.leave_threads(max(1, len(busy)))
    else:
        ended.result()


# What `receive()` and `send()` return when they have to wait; ready results never come here.


async def wait_send(exchange):
    while not exchange.poll_send():
        await exchange.writable(asyncio.get_running_loop().create_future)


async def coroutine_of(awaitable):
    return await awaitable

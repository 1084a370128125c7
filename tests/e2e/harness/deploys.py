"""Deploys of every kind, good and bad, and what must be true after each."""

import itertools
import json
import os
import random
import signal
import socket
import time
from collections import Counter

from . import processes
from .apps import IMPORT_ERROR, SYNTAX_ERROR
from .waiting import eventually

APP = """
import asyncio, hashlib, os, signal
{at_import}

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = (await receive())["type"]
            if event == "lifespan.startup":
                {at_startup}
            await send({{"type": event + ".complete"}})
            if event == "lifespan.shutdown":
                return
    if scope["type"] == "websocket":
        await receive()
        await send({{"type": "websocket.accept"}})
        while (event := await receive())["type"] == "websocket.receive":
            await send({{"type": "websocket.send", "text": event["text"]}})
        return
    if scope["path"] == "/stream":
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
        for _ in range(5):
            await send({{"type": "http.response.body", "body": b"event\\n", "more_body": True}})
            await asyncio.sleep(0.02)
        await send({{"type": "http.response.body", "body": b""}})
        return
    if scope["path"] == "/events":
        await send({{"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}})
        for number in range(40):
            await send({{"type": "http.response.body", "body": b"data: %d\\n\\n" % number, "more_body": True}})
            await asyncio.sleep(0.05)
        await send({{"type": "http.response.body", "body": b""}})
        return
    status, body = {answer}
    if scope["path"] == "/upload":
        status, digest, more = 200, hashlib.sha256(), True
        while more:
            event = await receive()
            digest.update(event["body"])
            more = event.get("more_body", False)
        body = digest.hexdigest().encode()
    if scope["path"] == "/healthz":
        status = {health}
    await send({{"type": "http.response.start", "status": status, "headers": [(b"content-length", b"%d" % len(body))]}})
    await send({{"type": "http.response.body", "body": body}})
"""


def app(name, at_import="", at_startup="pass", answer=None, health=200):
    return APP.format(at_import=at_import, at_startup=at_startup, answer=answer or f"200, {name.encode()!r}", health=health)


# Versions that must not come to serve, by what is wrong with them.
BAD = {
    "syntax": SYNTAX_ERROR,
    "import": IMPORT_ERROR,
    "no app": "nothing = 1\n",
    "not an app": "app = 1\n",
    "exception": "raise RuntimeError('bad')\n",
    "exit": "raise SystemExit(0)\n",
    "crash": app("x", at_import="os.kill(os.getpid(), signal.SIGKILL)"),
    "abort": app("x", at_import="os._exit(7)"),
    "out of memory": app("x", at_import="raise MemoryError"),
    "lifespan": app("x", at_startup="await send({'type': 'lifespan.startup.failed', 'message': 'bad'}); return"),
    "crash in the lifespan": app("x", at_startup="os._exit(1)"),
    "ready path": app("x", health=503),
    "hang": app("x", at_import="import time; time.sleep(600)"),
    "hang in the lifespan": app("x", at_startup="await asyncio.sleep(600)"),
}
# Programs that must not take over.
BAD_PROGRAMS = {
    "missing": None,
    "exit code": "#!/bin/sh\nexit 1\n",
    "no answer": "#!/bin/sh\nexit 0\n",
    "wrong answer": "#!/bin/sh\necho rgun can take over: 0123456789abcdef0123456789abcdef\n",
    "crash": "#!/bin/sh\nkill -SEGV $$\n",
    "hang": "#!/bin/sh\nexec sleep 600\n",
    "no interpreter": "#!/nowhere/python\n",
}


class Deploys:
    """`site`: where the app and the configuration are; `link`: what the program is started by."""

    def __init__(self, site, server, ctl, link, connect, seed):
        self.site, self.server, self.ctl, self.link, self.connect = site, server, ctl, link, connect
        self.program = os.readlink(link)
        self.random = random.Random(seed)
        self.count, self.done, self.verdicts = 0, Counter(), Counter()
        self.serving = "first"
        self.extra = False
        self._bad = itertools.cycle([self.bad_version(kind) for kind in BAD] + [self.bad_program(kind) for kind in BAD_PROGRAMS] + [
            self.bad_settings, self.address_in_use,
        ])

    # What is deployed.

    def configure(self, *more, binds=()):
        listed = ["127.0.0.1:0,plain", "127.0.0.1:0,tls", *(["127.0.0.2:0,plain"] if self.extra else []), *binds]
        self.site.write("\n".join([f"bind = {json.dumps(listed)}", *more]) + "\n", "rgun.toml")

    def write(self, **options):
        self.count += 1
        name = f"version {self.count}"
        self.site.write(app(name, **options))
        return name

    def expect(self, name=None):
        """Which version new connections meet."""
        self.serving = name or self.serving
        with self.connect() as client:
            found = client.get(headers=[("connection", "close")]).text
        assert found == self.serving, f"{found} serves, not {self.serving}"

    # Those that come to serve.

    def reload(self):
        name = self.write()
        self.ctl("reload")
        self.expect(name)

    def hup(self):
        mark, name = self.server.log.mark(), self.write()
        self.server.signal(signal.SIGHUP)
        self.server.log.wait("reload succeeded", after=mark, timeout=60)
        self.expect(name)

    def upgrade(self):
        name = self.write()
        self.ctl("upgrade")
        self.expect(name)

    def upgrade_without_reload(self):
        self.ctl("upgrade", "--no-reload")
        self.expect()

    def promote(self):
        name = self.write()
        self.ctl("stage", "--bind", "127.0.0.1:0")
        self.expect()
        self.ctl("promote")
        self.expect(name)

    def addresses(self):
        self.extra = not self.extra
        self.configure()
        name = self.write()
        self.ctl("reload")
        self.expect(name)
        shown = sum("//127.0.0.2:" in one for one in self.ctl.status()["listeners"])
        assert shown == int(self.extra), self.ctl.status()["listeners"]

    # Those that are looked at, and taken back.

    def discard(self):
        self.write()
        self.ctl("stage", "--bind", "127.0.0.1:0")
        self.ctl("discard")
        self.expect()

    def canary(self):
        """Judged; a busy machine may make a good version look slow, and then it is taken back."""
        name = self.write()
        running = self.ctl.begin("canary", "1", "--auto", "--requests", "20", "--for", "2s")
        running.process.wait(60)
        code = running.process.returncode
        running.end(code=code)
        assert code in (0, 3), code
        self.verdicts["promoted" if code == 0 else "taken back"] += 1
        self.expect(name if code == 0 else None)

    def worse_canary(self):
        self.write(answer="500, b'worse'")
        self.ctl("canary", "1", "--auto", "--requests", "20", "--for", "20s", code=3)
        self.verdicts["worse, taken back"] += 1
        self.expect()

    def rollback(self):
        self.configure('rollback-window = "60s"')
        before = self.serving
        name = self.write()
        self.ctl("reload")
        self.expect(name)
        self.site.write(IMPORT_ERROR)
        self.ctl("rollback")
        self.expect(before)
        self.configure()

    # Those that never serve.

    def bad_version(self, kind):
        def deploy():
            self.site.write(BAD[kind])
            self.ctl("reload", code=1)
            self.expect()

        deploy.__name__ = f"bad version: {kind}"
        return deploy

    def bad_program(self, kind):
        def deploy():
            self.replace(BAD_PROGRAMS[kind])
            try:
                assert "not upgraded" in self.ctl("upgrade", code=1)
            finally:
                self.replace(None)
                self.link.symlink_to(self.program)
            self.expect()

        deploy.__name__ = f"bad program: {kind}"
        return deploy

    def replace(self, text):
        self.link.unlink(missing_ok=True)
        if text is not None:
            self.link.write_text(text)
            self.link.chmod(0o755)

    def bad_settings(self):
        self.configure('timeout = "soon"')
        self.ctl("reload", code=1)
        self.configure()
        self.expect()

    def address_in_use(self):
        with socket.create_server(("127.0.0.9", 0)) as other:
            self.configure(binds=["unix:new.sock", "127.0.0.9:%d" % other.getsockname()[1]])
            self.ctl("reload", code=1)
        assert not (self.site.path / "new.sock").exists()
        self.configure()
        self.expect()

    # All of them.

    def block(self):
        """Forty, half of them bad, in random order."""
        deploys = [next(self._bad) for _ in range(20)]
        deploys += [self.upgrade, self.upgrade, self.upgrade_without_reload, self.upgrade, self.canary, self.canary, self.worse_canary, self.worse_canary]
        deploys += [self.rollback, self.rollback, self.promote, self.discard, self.addresses, self.addresses, self.hup, self.hup]
        deploys += [self.reload] * 4
        self.random.shuffle(deploys)
        return deploys

    def run(self, count):
        coming = itertools.chain.from_iterable(self.block() for _ in itertools.count())
        for deploy in itertools.islice(coming, count):
            began = time.monotonic()
            try:
                deploy()
            except Exception as error:
                raise AssertionError(f"{deploy.__name__}, after {self.done}") from error
            self.done[deploy.__name__] += 1
            print(f"{deploy.__name__}: {time.monotonic() - began:.1f} s", flush=True)

    def settle(self):
        """The master after an upgrade and a reload: what it takes when nothing is in progress. Descriptors, resident bytes."""
        self.upgrade()
        self.reload()
        eventually(lambda: len(self.ctl.status()["workers"]) == 2, "the old workers have ended", timeout=60)
        master = self.server.master
        return len(processes.descriptors(master)), processes.resident(master)

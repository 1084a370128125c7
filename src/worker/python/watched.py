"""Development: tells the watcher which files the app is made of. It does not look whether they change."""

import errno
import os
import sys
import threading
import time

# How often modules that were imported meanwhile are told.
INTERVAL = 0.5
# One message holds whole paths, each ended by NUL.
LONGEST = 16 * 1024
# Bytecode is taken for that of a source with the same size and the same second; a second save would not be seen.
SETTLED = 2.0


class Reporter:
    def __init__(self, descriptor):
        self._descriptor = descriptor
        self._told = set()
        self._rest = b""

    def tell(self, more=()):
        """Tell what is loaded and was not told yet. False: nobody listens any more."""
        new = []
        for path in [*_loaded(), *more]:
            if path not in self._told:
                self._told.add(path)
                new.append(os.fsencode(path) + b"\0")
        self._rest += b"".join(new)
        while self._rest:
            end = len(self._rest) if len(self._rest) <= LONGEST else self._rest.rfind(b"\0", 0, LONGEST) + 1
            if end == 0:
                # A path longer than the system has.
                self._rest = self._rest[self._rest.find(b"\0") + 1:]
                continue
            try:
                os.write(self._descriptor, self._rest[:end])
            except BlockingIOError:
                return True
            except OSError as error:
                return error.errno in (errno.EINTR, errno.ENOBUFS)
            self._rest = self._rest[end:]
        return True

    def tell_failure(self, error):
        """Where an import has failed: these files were not loaded, and yet they are what will be changed."""
        self.tell(_blamed(error))

    def start(self):
        self.tell()
        threading.Thread(target=self._go_on, name="rgun-watched", daemon=True).start()

    def _go_on(self):
        known = 0
        while True:
            time.sleep(INTERVAL)
            if len(sys.modules) == known and not self._rest:
                continue
            known = len(sys.modules)
            if not self.tell():
                return


def _loaded():
    for module in list(sys.modules.values()):
        # A module may be any object.
        try:
            path = module.__file__
        except Exception:
            continue
        if isinstance(path, str) and path:
            yield os.path.abspath(path[:-1] if path.endswith(".pyc") else path)


def _blamed(error):
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, SyntaxError) and isinstance(error.filename, str):
            yield os.path.abspath(error.filename)
        place = error.__traceback__
        while place is not None:
            path = place.tb_frame.f_code.co_filename
            if os.path.isabs(path):
                yield path
            place = place.tb_next
        error = error.__cause__ or error.__context__


def keep_no_fresh_bytecode():
    """Write no bytecode for a source that was saved just now."""
    from importlib.machinery import SourceFileLoader

    # Private, and the same since Python 3.4; without it, it is as with every other server.
    original = getattr(SourceFileLoader, "_cache_bytecode", None)
    if original is None:
        return

    def _cache_bytecode(self, source_path, bytecode_path, data):
        try:
            if time.time() - os.stat(source_path).st_mtime < SETTLED:
                return None
        except OSError:
            return None
        return original(self, source_path, bytecode_path, data)

    SourceFileLoader._cache_bytecode = _cache_bytecode

"""Development: reports the app's files to the watcher."""

import errno
import os
import sys
import threading
import time

# Seconds between reports of modules that were imported since.
INTERVAL = 0.5
# One message holds whole paths, each ended by NUL.
LONGEST = 16 * 1024
# Bytecode counts as up to date for a source of the same size and second; a second save within it would be missed.
SETTLED = 2.0


class Reporter:
    def __init__(self, descriptor):
        self._descriptor = descriptor
        self._told = set()
        self._rest = b""

    def tell(self, more=()):
        """Reports what is loaded and was not reported yet. False: the watcher is gone."""
        new = []
        for path in [*_loaded(), *more]:
            if path not in self._told:
                self._told.add(path)
                new.append(os.fsencode(path) + b"\0")
        self._rest += b"".join(new)
        while self._rest:
            end = len(self._rest) if len(self._rest) <= LONGEST else self._rest.rfind(b"\0", 0, LONGEST) + 1
            if end == 0:
                # A path longer than the system allows.
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
        """For a failed import: these files were not loaded, but are the ones that will be edited."""
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
        # A module may be any object; a relative path needs a working directory that still exists.
        try:
            path = module.__file__
            path = os.path.abspath(path[:-1] if path.endswith(".pyc") else path) if isinstance(path, str) and path else None
            os.fsencode(path or "")
        except Exception:
            continue
        if path is not None:
            yield path


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
    """Writes no bytecode for a source that was saved just now."""
    from importlib.machinery import SourceFileLoader

    # Private, and unchanged since Python 3.4; without it, rgun behaves as other servers do.
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

"""Turns a hosted worker into an ordinary Python process, right after its fork. The master never imports this."""

import sys


def enter():
    """Run what ``-S`` skipped: `.pth` files, site-packages, ``sitecustomize``, ``usercustomize``."""
    import site

    site.main()
    _take_launcher_path()
    _clear_no_site_flag()


def _take_launcher_path():
    """A launcher (buildout, PEX) has set ``sys.path`` before it called the console script: its order and its additions are kept."""
    carried = getattr(sys.modules.get("rgun"), "_launcher_path", None)
    if not carried:
        return
    entries = carried.split("\n")
    if any(entry not in sys.path for entry in entries):
        sys.path[:] = entries + [entry for entry in sys.path if entry not in entries]


def _clear_no_site_flag():
    # multiprocessing and subprocess-starting code pass sys.flags on to their children
    # (subprocess._args_from_interpreter_flags): with no_site left at 1 the children of the app would have no site-packages.
    flags = sys.flags
    if not flags.no_site:
        return
    try:
        # The method behind copy.replace(), from Python 3.13 on.
        sys.flags = flags.__replace__(no_site=0)
    except (AttributeError, TypeError):
        sys.flags = _Flags(flags)


class _Flags:
    """``sys.flags`` with ``no_site`` cleared, for the versions whose own type cannot be instantiated."""

    __slots__ = ("_flags",)
    no_site = 0

    def __init__(self, flags):
        self._flags = flags

    def __getattr__(self, name):
        return getattr(self._flags, name)

    def __repr__(self):
        return repr(self._flags).replace("no_site=1", "no_site=0")

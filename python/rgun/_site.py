"""What a hosted worker does right after its fork to become an ordinary Python process. The master never imports this."""

import sys


def enter():
    """Run what ``-S`` held back: `.pth` files, site-packages, ``sitecustomize``, ``usercustomize``."""
    import site

    site.main()
    _clear_no_site_flag()


def _clear_no_site_flag():
    # multiprocessing and subprocess-starting code hand sys.flags on to their children
    # (subprocess._args_from_interpreter_flags): with no_site left at 1 the children of the app would have no site-packages.
    flags = sys.flags
    if not flags.no_site:
        return
    try:
        # What copy.replace() calls, from Python 3.13 on.
        sys.flags = flags.__replace__(no_site=0)
    except (AttributeError, TypeError):
        sys.flags = _Flags(flags)


class _Flags:
    """``sys.flags`` with ``no_site`` cleared, for the versions whose own type cannot be built by anyone."""

    __slots__ = ("_flags",)
    no_site = 0

    def __init__(self, flags):
        self._flags = flags

    def __getattr__(self, name):
        return getattr(self._flags, name)

    def __repr__(self):
        return repr(self._flags).replace("no_site=1", "no_site=0")

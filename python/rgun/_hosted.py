"""The hosted entry: run as a script by an interpreter without ``site``, it hands over to the Rust program.

It is the ``__main__`` of the master and of every worker forked from it, so it leaves ``sys.path`` and ``sys.argv`` as an
application expects them, and does nothing when it is imported (a child of ``multiprocessing`` that was spawned by an
application does that).
"""

import os
import sys


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    _forget_script_directory(here)
    program = _load(here)
    _leave_interrupts_to_the_system()
    # For the workers (`_site.py`); the master goes on without.
    sys.modules["rgun"]._launcher_path = os.environ.pop("__RGUN_PATH", None)
    sys.argv[0] = os.environ.pop("__RGUN_SCRIPT", None) or "rgun"
    # Returns in the master when the server has ended, and in each worker when it is done: leaving through sys.exit()
    # finalises the worker's Python as that of any program.
    sys.exit(program.main(sys.argv[1:]))


def _leave_interrupts_to_the_system():
    # Python's handler only notes the signal for the next bytecode, and while the program runs there is none.
    import _signal

    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)


def _forget_script_directory(here):
    # Python put the directory of this script first (not with -P or -I): in it, `import __main__`-like names of this
    # package would shadow top-level modules.
    if sys.path and os.path.realpath(sys.path[0]) == os.path.realpath(here):
        del sys.path[0]


def _load(here):
    # The package is loaded from where this file is, without putting its parent on sys.path: that is site-packages, and
    # the master must not find anything else there. The workers find it by `site`.
    # importlib.util offers the same, and costs the master 0.8 MB of modules.
    from _frozen_importlib import module_from_spec
    from _frozen_importlib_external import spec_from_file_location

    spec = spec_from_file_location("rgun", os.path.join(here, "__init__.py"), submodule_search_locations=[here])
    package = module_from_spec(spec)
    sys.modules["rgun"] = package
    spec.loader.exec_module(package)
    from rgun import _rgun

    return _rgun


if __name__ == "__main__":
    main()

"""Deployments with the real parts: each story runs what `rgun init` writes, unchanged, with the programs of the distribution."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))


@pytest.fixture(scope="session")
def rgun():
    """The program under test: the wheel of this tree, in the environment of the tests."""
    found = shutil.which("rgun", path=str(Path(sys.executable).parent))
    if not found:
        pytest.fail("rgun is not installed: make develop-testing")
    return [found]

"""The same stories for gunicorn and for rgun: `make parity`, or one of them alone with RGUN_UNDER_TEST=gunicorn|rgun."""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# The harness of the end-to-end stories, and what lies here.
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

from subject import SUBJECTS, Subject  # noqa: E402


@pytest.fixture
def subjects(tmp_path):
    """Those that are compared, in directories of their own."""
    names = os.environ.get("RGUN_UNDER_TEST", "").split() or SUBJECTS
    opened = [Subject(name, tmp_path / name) for name in names]
    yield opened
    for subject in opened:
        subject.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for subject in getattr(item, "funcargs", {}).get("subjects", []):
            for server in subject.running:
                report.sections.append((f"log of {' '.join(map(str, server.command))}", server.log.text()[-8000:]))

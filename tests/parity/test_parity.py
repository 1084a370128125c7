"""Every fact of every story is the same, or is listed in `differences.py` with its reason; listed facts do differ."""

import importlib
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from differences import AWAITED, DIFFERENCES
from story import STORIES

pytest.importorskip("gunicorn")

for path in sorted((Path(__file__).parent / "stories").glob("*.py")):
    importlib.import_module(f"stories.{path.stem}")


def matching(fact, patterns):
    # `[` and `]` mean themselves.
    return [pattern for pattern in patterns if fnmatchcase(fact, pattern.replace("[", "[[]"))]


@pytest.mark.parametrize("name", STORIES)
def test_same(subjects, name):
    told = {subject.name: STORIES[name](subject) for subject in subjects}
    if len(told) == 1:
        (facts,) = told.values()
        print("\n".join(f"{fact}: {value!r}" for fact, value in facts.items()))
        return
    theirs, ours = told["gunicorn"], told["rgun"]
    listed, awaited = DIFFERENCES.get(name, {}), AWAITED.get(name, {})
    differ = [fact for fact in sorted({*theirs, *ours}) if theirs.get(fact) != ours.get(fact)]
    wrong = [
        f"{fact}\n    gunicorn: {theirs.get(fact)!r}\n    rgun:     {ours.get(fact)!r}"
        for fact in differ if not matching(fact, [*listed, *awaited])
    ]
    used = {pattern for fact in differ for pattern in matching(fact, listed)}
    settled = [pattern for pattern in listed if pattern not in used]
    assert not wrong, "they differ:\n" + "\n".join(wrong)
    assert not settled, f"differences.py lists what is the same: {settled}"


def test_every_listed_story_exists_and_has_reasons():
    for listed in (DIFFERENCES, AWAITED):
        assert set(listed) <= set(STORIES)
        assert all(reason for patterns in listed.values() for reason in patterns.values())

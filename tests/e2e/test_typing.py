"""The results of type checkers and `help()` for the Python package."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "python" / "rgun"


STUB = PACKAGE / "_settings.pyi"
HINTS = {
    "switch": "bool", "text": "str | float | PathLike[str]", "list": "str | Sequence[str]", "pairs": "str | Mapping[str, str] | Sequence[str]",
    "json": "Mapping[str, object]",
}


def stub(settings):
    lines = [
        "# Made from the definitions in src/config; `UPDATE=1 pytest tests/e2e/test_typing.py` writes it anew.",
        "from collections.abc import Mapping, Sequence", "from os import PathLike", "", "from typing_extensions import TypedDict", "",
        "class Settings(TypedDict, total=False):", '    """The keyword arguments of `rgun.run`; docs/settings.md describes each."""', "",
    ]
    for name, _, _, repeated, shape, _ in settings:
        several = " | Sequence[str]" if repeated and shape == "text" else ""
        lines.append(f"    {name}: {HINTS[shape]}{several} | None")
    return "\n".join(lines) + "\n"


def test_the_type_has_the_settings(program):
    python = Path(program[0]).with_name("python")
    told = subprocess.run([python, "-c", "import json; from rgun import _rgun; print(json.dumps(_rgun.settings()))"], check=True, capture_output=True, text=True).stdout
    text = stub(json.loads(told))
    if "UPDATE" in os.environ:
        STUB.write_text(text)
    assert STUB.read_text() == text, "run UPDATE=1 pytest tests/e2e/test_typing.py"


def mypy(*words, cwd):
    pytest.importorskip("mypy")
    return subprocess.run([sys.executable, "-m", "mypy", "--strict", "--no-incremental", *map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=170)


@pytest.mark.parametrize("call, wrong", [
    ('rgun.run("app:app", workers=2, bind=["a", "b"], timeout=0.5)', None),
    ('rgun.run("app:app", wrokers=2)', '"wrokers"'),
    ('rgun.run("app:app", reload="yes")', '"reload"'),
    ('rgun.compat.run("app:app", wrokers=2)', '"wrokers"'),
])
def test_a_misspelt_setting_is_an_error(tmp_path, call, wrong):
    (tmp_path / "serve.py").write_text(f"import rgun.compat\nimport rgun\n{call}\n")
    done = mypy("serve.py", cwd=tmp_path)
    assert (done.returncode == 0) == (wrong is None), done.stdout
    assert wrong is None or wrong in done.stdout


def test_the_modules_that_users_import_are_strict(tmp_path):
    done = mypy(PACKAGE / "compat.py", PACKAGE / "__main__.py", cwd=tmp_path)
    assert done.returncode == 0, done.stdout


def test_help_is_for_users(program):
    python = Path(program[0]).with_name("python")
    text = subprocess.run([python, "-c", "import rgun; help(rgun)"], check=True, capture_output=True, text=True).stdout
    assert "rgun.run(" in text and "run(app" in text and "ClientDisconnected" in text
    assert "in a worker" not in text and "master does too" not in text

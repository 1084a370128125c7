"""What a package index shows of a release: addresses of the repository that it comes from, and links that lead there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "https://git.example.org/people/rgun"


@pytest.fixture
def checkout(tmp_path):
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for directory in ("docs", "examples", "benches"):
        (tmp_path / directory).symlink_to(ROOT / directory)
    return tmp_path


def prepare(checkout, *words):
    return subprocess.run([sys.executable, ROOT / ".ci" / "metadata", *words], cwd=checkout, capture_output=True, text=True)


def test_links_of_the_readme_lead_to_the_repository(checkout):
    done = prepare(checkout, ADDRESS, "v1.2.3")
    assert done.returncode == 0, done.stderr
    readme = (checkout / "README.md").read_text()
    links = re.findall(r"\]\(([^)]+)\)", readme)
    own = [link for link in links if link.startswith(ADDRESS)]
    assert len(own) > 20 and all(link.startswith("https://") for link in links)
    for link in own:
        kind, revision, path = link.removeprefix(f"{ADDRESS}/").split("/", 2)
        place = ROOT / path.partition("#")[0]
        assert revision == "v1.2.3" and place.exists(), link
        assert kind == ("tree" if place.is_dir() else "blob"), link


def test_the_metadata_has_the_addresses_of_the_project(checkout):
    tomllib = pytest.importorskip("tomllib")
    prepare(checkout, ADDRESS, "v1.2.3")
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    assert {"Homepage", "Documentation", "Source", "Changelog", "Issues"} == set(project["urls"])
    assert all(address.startswith(ADDRESS) for address in project["urls"].values())
    assert project["scripts"] and prepare(checkout, ADDRESS, "v1.2.3").returncode != 0, "once is enough"


def test_what_is_no_address_changes_nothing(checkout):
    before = (checkout / "README.md").read_text()
    assert prepare(checkout, "git.example.org", "v1.2.3").returncode != 0
    assert (checkout / "README.md").read_text() == before

"""Programs that call rgun's entry point after they have set up Python's path: buildout's scripts, PEX."""

from pathlib import Path

import pytest

from harness.server import Server

APP = """
import sys
import inside

def app(environ, start_response):
    body = repr((inside.where, [entry for entry in sys.path if entry.endswith(("/egg", "/bin"))])).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_the_path_of_a_launcher_is_the_workers(app, program, pytestconfig, workers):
    """As buildout's scripts: eggs before everything, then the entry point."""
    if pytestconfig.getoption("--binary") == "embedded":
        pytest.skip("about the wheel")
    for name, text in {
        "egg/inside.py": "where = 'egg'\n",
        "bin/serve": f"import sys\nsys.path[0:0] = [{str(app.path / 'egg')!r}]\nfrom rgun.__main__ import main\nif __name__ == '__main__':\n    sys.exit(main())\n",
        "app.py": APP,
    }.items():
        path = app.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    python = str(Path(program[0]).with_name("python"))
    with Server([python, "bin/serve"], app.path, "app:app", "-w", str(workers)) as server:
        server.wait_ready(workers)
        assert server.get().text == repr(("egg", [str(app.path / "egg")]))

"""What a run needs: the servers' virtual environment, rgun in it, the load generator; and which versions these are."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements" / "bench.txt"


def target() -> Path:
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()


def peers(python: str) -> tuple[Path, set[str]]:
    """The virtual environment's interpreter, and the distributions that could not be installed; made anew when the requirements
    or the interpreter have changed."""
    version = subprocess.run([python, "-VV"], check=True, capture_output=True).stdout
    wanted = hashlib.sha256(version + REQUIREMENTS.read_bytes()).hexdigest()
    place = target() / "bench-venv"
    stamp, own = place / "made-from", place / "bin" / "python"
    if stamp.exists() and stamp.read_text() == wanted:
        return own, set()
    say(f"making {place}")
    subprocess.run([python, "-m", "venv", "--clear", place], check=True)
    missing = set()
    try:
        pip(own, "-r", REQUIREMENTS)
    except subprocess.CalledProcessError:
        # One that does not build here (uWSGI needs a C compiler) is not to keep the others away.
        for line in REQUIREMENTS.read_text().splitlines():
            if line and not line.startswith("#"):
                try:
                    pip(own, line)
                except subprocess.CalledProcessError:
                    say(f"NOT INSTALLED: {line}")
                    missing.add(line.partition("==")[0].lower())
    if not missing:
        stamp.write_text(wanted)
    return own, missing


def pip(python: Path, *what: str | Path) -> None:
    # Whoever set it meant another interpreter than this environment's.
    env = {name: value for name, value in os.environ.items() if name != "PYO3_PYTHON"}
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what], check=True, env=env)


def rgun(python: Path) -> str:
    """rgun as its users get it: the wheel, built with the release profile."""
    say("building rgun's wheel")
    pip(python, "--no-deps", "--force-reinstall", ROOT)
    return str(python.parent / "rgun")


def generator() -> Path:
    manifest = ROOT / "benches" / "load" / "Cargo.toml"
    place = target() / "bench-load"
    command = ["cargo", "build", "--quiet", "--release", "--locked", "--manifest-path", manifest, "--target-dir", place]
    subprocess.run(command, check=True)
    return place / "release" / "load"


def versions(python: Path, distributions: set[str]) -> dict[str, str]:
    """Of the installed distributions; those that are not installed are left out."""
    code = (
        "import importlib.metadata as m, json, platform, sys\n"
        "found = {'python': platform.python_version()}\n"
        "for name in sys.argv[1:]:\n"
        "    try: found[name] = m.version(name)\n"
        "    except m.PackageNotFoundError: pass\n"
        "print(json.dumps(found))\n"
    )
    done = subprocess.run([python, "-c", code, *sorted(distributions)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def rgun_version(command: str) -> str:
    done = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=20)
    return done.stdout.strip().removeprefix("rgun ") or "unknown"


def machine(server_cpu: int, load_cpu: int) -> dict[str, str]:
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": models[0].partition(":")[2].strip() if models else platform.processor() or "unknown",
        "cpus": f"server on CPU {server_cpu}, load on CPU {load_cpu}, of {os.cpu_count()}",
        "load average at the start": " ".join(f"{value:.2f}" for value in os.getloadavg()),
    }


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)

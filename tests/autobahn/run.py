"""Runs Autobahn's fuzzing client against the echo example, and fails for each case that failed or was closed uncleanly.

    python tests/autobahn/run.py PROGRAM WSTEST [CASE ...]

PROGRAM starts the server, WSTEST is the suite's (a Python 2.7 program). It decides nothing about the suite itself.
"""

import json
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SECTIONS = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*", "12.*", "13.*"]
FINE = ("OK", "NON-STRICT", "INFORMATIONAL")


def serve(program):
    """The server, and where it listens."""
    command = [program, "ws_echo:app", "-b", "127.0.0.1:0", "-w", "1", "--ws-ping-interval", "0"]
    server = subprocess.Popen(command, cwd=ROOT / "examples", stderr=subprocess.PIPE, text=True)
    for line in server.stderr:
        if "address=" in line:
            return server, line.rsplit("address=http://", 1)[1].strip().strip('"')
    raise SystemExit("the server did not start")


def main(program, wstest, *cases):
    server, address = serve(program)
    try:
        with tempfile.TemporaryDirectory() as directory:
            spec = {
                "outdir": directory,
                "servers": [{"agent": "rgun", "url": f"ws://{address}"}],
                "cases": list(cases) or SECTIONS,
                "exclude-cases": [],
                "exclude-agent-cases": {},
            }
            path = Path(directory) / "spec.json"
            path.write_text(json.dumps(spec))
            subprocess.run([wstest, "-m", "fuzzingclient", "-s", str(path)], check=True, stdout=subprocess.DEVNULL, cwd=directory)
            results = json.loads((Path(directory) / "index.json").read_text())["rgun"]
    finally:
        server.send_signal(signal.SIGTERM)
        server.stderr.close()
        server.wait(30)
    behaviour = Counter(result["behavior"] for result in results.values())
    closing = Counter(result["behaviorClose"] for result in results.values())
    print(f"{len(results)} cases: {dict(behaviour)}, closed: {dict(closing)}")
    bad = {case: result for case, result in results.items() if result["behavior"] not in FINE or result["behaviorClose"] not in FINE}
    for case, result in sorted(results.items()):
        if case in bad or result["behavior"] == "NON-STRICT":
            print(f"  {case}: {result['behavior']}, closed {result['behaviorClose']} ({result['remoteCloseCode']})")
    return 1 if bad or not results else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

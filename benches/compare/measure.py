"""One server, one workload, one round: start, verify, load at each number of connections, verify again, stop."""

from __future__ import annotations

import json
import os
import resource
import shlex
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from . import process, proxy, secure, verify
from .servers import Server
from .workloads import Group, Workload

#: Share of the two CPUs' time that others may have taken before a measurement is repeated.
NOISE_MAX = 0.10
APPS = Path(__file__).parent / "apps"


@dataclass(frozen=True)
class Bench:
    """What is the same for the whole run."""

    python: Path
    rgun: str
    generator: Path
    scratch: Path
    server_cpu: int
    load_cpu: int
    nice: int
    seconds: float
    warmup: float
    #: How often a measurement is repeated that others on the machine disturbed; the quietest counts.
    retries: int


@dataclass(frozen=True)
class Cell:
    """One measurement under load."""

    group: str
    workload: str
    server: str
    round: int
    connections: int
    requests: int
    rps: float
    cpu_us: float
    p50_us: float
    p99_us: float
    #: Connections opened for each request: 0 with keep-alive, 1 without.
    opened_per_request: float
    #: CPU time of both CPUs that went to anyone else, as a share of the time that there was.
    noise: float


@dataclass(frozen=True)
class Start:
    """One start of a server: what does not depend on the number of connections."""

    group: str
    workload: str
    server: str
    round: int
    boot_ms: float
    #: After the load.
    pss_mb: float


@dataclass(frozen=True)
class Failure:
    group: str
    workload: str
    server: str
    round: int
    what: str


def as_json(results: list[Cell | Start | Failure]) -> list[dict]:
    return [{"kind": type(result).__name__.lower(), **asdict(result)} for result in results]


def from_json(found: list[dict]) -> list[Cell | Start | Failure]:
    kinds = {kind.__name__.lower(): kind for kind in (Cell, Start, Failure)}
    return [kinds[one.pop("kind")](**one) for one in map(dict, found)]


class Failed(Exception):
    pass


def keeps_alive(server: Server, workload: Workload) -> bool:
    """Whether the load can keep its connections: behind nginx they are nginx's."""
    return server.keeps_alive or bool(workload.nginx)


def load(bench: Bench, server: Server, workload: Workload, port: int, connections: int, seconds: float) -> dict:
    request, expect = bench.scratch / "request", bench.scratch / "expect"
    request.write_bytes(workload.request(port))
    expect.write_bytes(workload.expect)
    command = [
        bench.generator, "--address", f"127.0.0.1:{port}", "--connections", str(connections), "--seconds", str(seconds),
        "--request", request, "--expect", expect, *(["--close"] if workload.close or not keeps_alive(server, workload) else []),
        *(["--websocket"] if workload.websocket else []),
    ]
    log = bench.scratch / "h2load.log"
    log.unlink(missing_ok=True)
    if workload.secure:
        command = secure.command(workload, port, connections, seconds, bench.scratch, log)
    session = {"start_new_session": True, "preexec_fn": lambda: process.prefer(bench.nice)}
    # The generator inherits this process's CPU. It ends by itself; the limit is for a bug in it.
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, **session)
    if not done.stdout:
        raise Failed(f"the load generator: {done.stderr.strip()}")
    result = secure.result(workload, connections, done, log) if workload.secure else json.loads(done.stdout)
    if done.returncode or result["errors"] or not result["requests"]:
        raise Failed(f"{connections} connections: {result['errors']} errors under load, the first: {result['first_error']}")
    return result


def under_load(bench: Bench, server: Server, tree: process.Tree, workload: Workload, port: int, connections: int) -> dict:
    load(bench, server, workload, port, connections, bench.warmup)
    time.sleep(0.05)  # the server's work with the closing connections belongs to the warm-up
    pids = tree.pids()
    cpus = (bench.server_cpu, bench.load_cpu)
    own = lambda: sum(resource.getrusage(who)[i] for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF) for i in (0, 1))
    before, before_own, before_all = tree.cpu_seconds(pids), own(), process.machine_busy_seconds(cpus)
    began = time.monotonic()
    result = load(bench, server, workload, port, connections, bench.seconds)
    spent, elapsed = tree.cpu_seconds(pids) - before, time.monotonic() - began
    others = process.machine_busy_seconds(cpus) - before_all - (own() - before_own) - spent
    if gone := pids - tree.pids():
        raise Failed(f"{connections} connections: process {min(gone)} of the server ended under load")
    return {
        "connections": connections,
        "requests": result["requests"],
        "rps": result["requests"] / result["seconds"],
        "cpu_us": spent * 1e6 / result["requests"],
        "p50_us": result["p50_us"],
        "p99_us": result["p99_us"],
        "opened_per_request": 0 if result["opened"] <= connections else result["opened"] / result["requests"],
        "noise": max(0.0, others / (elapsed * 2)),
    }


def quietest(bench: Bench, server: Server, tree: process.Tree, workload: Workload, port: int, connections: int) -> dict:
    best = under_load(bench, server, tree, workload, port, connections)
    for _ in range(bench.retries):
        if best["noise"] <= NOISE_MAX:
            break
        again = under_load(bench, server, tree, workload, port, connections)
        best = min(best, again, key=lambda measured: measured["noise"])
    return best


def environment(bench: Bench) -> dict[str, str]:
    """The servers' own: no setting of whoever runs the benchmark must reach them."""
    scripts = bench.python.parent
    return {
        "PATH": f"{scripts}:/usr/bin:/bin",
        "VIRTUAL_ENV": str(scripts.parent),
        "PYTHONPATH": str(APPS),
        "HOME": str(bench.scratch),
        "LANG": "C.UTF-8",
    }


def measure(bench: Bench, group: Group, server: Server, workload: Workload, connections: tuple[int, ...], round: int):
    """Yields the cells, then the start. Whatever goes wrong ends it and is yielded as a failure: the others go on."""
    key = {"group": group.name, "workload": workload.name, "server": server.name, "round": round}
    command, tree, front = server.command, None, None
    try:
        port, socket = process.free_port(), bench.scratch / f"{server.name}.sock"
        socket.unlink(missing_ok=True)
        places = {"port": port, "socket": socket}
        words = {"bin": bench.python.parent, "python": bench.python, "rgun": bench.rgun, **places}
        if workload.secure:
            places |= secure.certificate(bench.scratch)
            if server.name == "nginx":
                text = workload.expect
                places |= {"nginx_configuration": secure.nginx(bench.scratch, port, text, os.getuid() == 0)}
                words["nginx"] = proxy.PROGRAM
        bind = server.secure if workload.secure else server.unix if workload.nginx else server.tcp
        words["bind"] = bind.format(**places)
        command = server.command.format(app=workload.app, threads=group.threads, **words)
        log = bench.scratch / f"{server.name}.log"
        tree = process.Tree(shlex.split(command), bench.server_cpu, bench.nice, bench.scratch, environment(bench), log)
        if workload.nginx:
            front = proxy.Nginx(bench.scratch / "nginx", port, socket, workload.nginx)
        first = verify.wait_for_200(workload, port, tree.has_ended, patience=20)
        verify.check(workload, port, keeps_alive(server, workload))
        for count in connections:
            yield Cell(**key, **quietest(bench, server, tree, workload, port, count))
        verify.check(workload, port, keeps_alive(server, workload))
        yield Start(**key, boot_ms=(first - tree.started) * 1e3, pss_mb=tree.pss_mb())
    except Exception as e:
        # Not only what is expected: one server's trouble must not cost the figures of all others.
        what = str(e) if isinstance(e, (verify.Wrong, Failed)) else f"{type(e).__name__}: {e}"
        tails = [part.log_tail() for part in (tree, front) if part]
        yield Failure(**key, what="\n".join([what, command, *tails]).strip())
    finally:
        for part in (front, tree):
            if part:
                part.stop()

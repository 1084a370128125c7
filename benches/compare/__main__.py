"""The command line, and the order in which things are measured."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import chart, environment, measure, proxy, report, secure, servers
from .environment import say
from .workloads import GROUPS, WORKLOADS


def words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benches.compare", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--interface", type=words, help="asgi, wsgi or both: asgi,wsgi (default: both)")
    add("--threads", type=lambda text: [int(word) for word in words(text)], help="application threads for WSGI (default: 1,4)")
    add("--only", type=words, help=f"workloads, of {', '.join(dict.fromkeys(w.name for w in WORKLOADS))}")
    add("--connections", type=lambda text: [int(word) for word in words(text)], help="numbers of connections (default: 1,8,64)")
    add("--servers", type=words, help="servers by name (default: all); a name that does not exist is an error")
    add("--server", action="append", default=[], metavar="NAME=COMMAND",
        help="one more server; {app}, {port}, {threads}, {bin}, {python} are filled in. Repeatable")
    add("--subject", default="rgun", help="the server that the others are compared with (default: rgun)")
    add("--rgun", help="an rgun that is built already, instead of this directory's wheel")
    add("--python", default=sys.executable, help="the interpreter for the servers (default: the one that runs this)")
    add("--rounds", type=int, help="how often each is started and measured; medians are reported (default: 3)")
    add("--seconds", type=float, help="of load for one measurement (default: 1.5)")
    add("--nice", type=int, default=0, help="scheduling priority of servers and load on a machine with other work (root only if negative)")
    add("--retries", type=int, default=1, help="repeat a measurement that other work disturbed, at most so often (default: 1)")
    add("--minutes", type=float, help="begin nothing after so long: every row has its first round before any has a second")
    add("--quick", action="store_true", help="ASGI hello at 8 and 64 connections only, in less than a minute")
    add("--enforce", action="store_true", help="exit code 3 when the bar is missed")
    add("--draw", action="store_true", help="measure nothing: write the report and the chart anew from the figures that are there")
    add("--results", type=Path, default=environment.ROOT / "benches" / "results")
    args = parser.parse_args()
    filters = (args.interface, args.threads, args.only, args.connections, args.servers, args.server)
    args.name = "quick" if args.quick else "partial" if any(filters) else "compare"
    if args.quick:
        args.interface, args.only = args.interface or ["asgi"], args.only or ["hello"]
        args.connections, args.seconds = args.connections or [8, 64], args.seconds or 1.0
    args.rounds, args.seconds = args.rounds or 3, args.seconds or 1.5
    args.known = {workload.name for workload in WORKLOADS}
    if args.only and (unknown := set(args.only) - args.known):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")
    try:
        args.chosen = servers.selected(args.servers, args.server)
    except ValueError as e:
        parser.error(str(e))
    return args


def plan(args: argparse.Namespace):
    """Yields (group, workload, servers, connections), each to be measured together in interleaved rounds."""
    for group in GROUPS:
        if args.interface and group.interface not in args.interface:
            continue
        if args.threads and group.interface == "wsgi" and group.threads not in args.threads:
            continue
        for workload in WORKLOADS:
            if workload.interface != group.interface or (args.only and workload.name not in args.only):
                continue
            if group.threads not in workload.threads or (workload.nginx and not proxy.PROGRAM):
                continue
            if workload.secure and secure.missing():
                continue
            entrants = [
                s for s in args.chosen
                if s.interface == group.interface and group.threads in s.threads and s.name in (workload.servers or [s.name])
                and workload.name not in s.without and (s.secure if workload.secure else not s.only_secure)
                and (s.name != "nginx" or proxy.PROGRAM)
            ]
            counts = tuple(args.connections or workload.connections)
            if entrants:
                yield group, workload, entrants, counts


def run(args: argparse.Namespace, bench: measure.Bench, results: list, late: list) -> None:
    """Appends to `results` as they come, and to `late` what there was no time for."""
    deadline = time.monotonic() + args.minutes * 60 if args.minutes else None
    failed = set()
    rows = list(plan(args))
    for round in range(1, args.rounds + 1):
        for group, workload, entrants, counts in rows:
            for server in entrants:
                row = (group.name, workload.name, server.name)
                if row in failed:
                    continue
                label = f"{' '.join(row)} round {round}"
                if deadline and time.monotonic() > deadline:
                    late.append(label)
                    continue
                for result in measure.measure(bench, group, server, workload, counts, round):
                    results.append(result)
                    if isinstance(result, measure.Failure):
                        failed.add(row)
                        say(f"FAILED {label}: {result.what}")
                    elif isinstance(result, measure.Cell):
                        say(f"{label} @{result.connections}: {result.cpu_us:.2f} µs CPU, {result.rps:.0f}/s, noise {result.noise:.0%}")
            write(args, results)


def write(args: argparse.Namespace, results: list) -> report.Summary:
    """The report of what there is; anew after each row, so that an interrupted run keeps what it has found."""
    summary = report.Summary(results, args.chosen, args.subject, args.about)
    args.results.mkdir(parents=True, exist_ok=True)
    (args.results / f"{args.name}.json").write_text(json.dumps({**args.about, "results": measure.as_json(results)}, indent=1) + "\n")
    (args.results / f"{args.name}.svg").write_text(chart.svg(summary))
    (args.results / f"{args.name}.md").write_text(report.markdown(summary, f"{args.name}.svg"))
    return summary


def main() -> int:
    args = parse()
    if args.draw:
        found = json.loads((args.results / f"{args.name}.json").read_text())
        results = measure.from_json(found.pop("results"))
        args.about = found
        write(args, results)
        return 0
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        print("two CPUs are needed: one for the server, one for the load", file=sys.stderr)
        return 2
    load_cpu, server_cpu = cpus[0], cpus[-1]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through the `finally` that stops the server
    uses_rgun = any("{rgun}" in server.command for server in args.chosen)
    try:
        generator = environment.generator()
        python, missing = environment.peers(args.python)
        rgun = str(Path(args.rgun).absolute()) if args.rgun else environment.rgun(python) if uses_rgun else ""
    except subprocess.CalledProcessError as e:
        print(f"cannot prepare the comparison: {shlex.join(map(str, e.cmd))} failed", file=sys.stderr)
        return 2
    skipped = [f"{server.name} ({server.interface})" for server in args.chosen if missing & set(server.distributions)]
    args.chosen = [server for server in args.chosen if not missing & set(server.distributions)]
    if not proxy.PROGRAM and any(workload.nginx for _, workload, *_ in plan(args)):
        skipped.append("all rows through nginx (it is not installed)")
    if what := secure.missing():
        skipped.append(f"all rows over TLS (no {what})")
    distributions = {name for server in args.chosen for name in server.distributions} | {"django", "fastapi", "flask"}
    versions = environment.versions(python, distributions)
    versions.pop("rgun", None)
    if uses_rgun:
        versions["rgun"] = environment.rgun_version(rgun)
    if nginx := proxy.version():
        versions["nginx"] = nginx
    args.about = {"versions": versions, "machine": environment.machine(server_cpu, load_cpu),
                  "rounds": args.rounds, "seconds": args.seconds, "date": time.strftime("%Y-%m-%d"), "skipped": skipped, "late": []}

    os.sched_setaffinity(0, {load_cpu})
    began = time.monotonic()
    results, late = [], args.about["late"]
    try:
        with tempfile.TemporaryDirectory(prefix="rgun-bench-") as scratch:
            os.chmod(scratch, 0o755)  # nginx's worker may be somebody else
            bench = measure.Bench(
                python=python, rgun=rgun, generator=generator, scratch=Path(scratch), server_cpu=server_cpu, load_cpu=load_cpu,
                nice=args.nice, seconds=args.seconds, warmup=min(0.3, args.seconds / 3),
                retries=args.retries,
            )
            run(args, bench, results, late)
    finally:
        args.about["minutes"] = round((time.monotonic() - began) / 60, 1)
        summary = write(args, results)
    print((args.results / f"{args.name}.md").read_text())
    say(f"written: {args.results / args.name}.md, .svg, .json, after {args.about['minutes']} minutes")
    for what in skipped:
        say(f"NOT MEASURED: {what}")
    if late:
        say(f"NOT MEASURED, no time: {len(late)} starts, the first: {late[0]}")
    if summary.failures:
        for failure in summary.failures:
            say(f"FAILED: {failure.group} {failure.workload} {failure.server}: {failure.what.splitlines()[0]}")
        say(f"FAILED: {len(summary.failures)} rows have no figures; their logs are in the report")
        return 1
    if skipped:
        return 1
    return 3 if args.enforce and not summary.bar_met() else 0


sys.exit(main())

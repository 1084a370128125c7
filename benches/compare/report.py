"""From measurements to a Markdown page: medians over the rounds, ratios, and the bar. Measures nothing."""

from __future__ import annotations

from statistics import median

from .bar import BAR, BEST, Limit
from .measure import Cell, Failure, Start
from .servers import Server
from .workloads import GROUPS, WORKLOADS, Group, Workload


NO_KEEP_ALIVE = "* no keep-alive: each request had a connection of its own"


class Summary:
    def __init__(self, results: list, servers: list[Server], subject: str, about: dict) -> None:
        self.subject, self.about = subject, about
        self.servers = {(server.interface, server.name): server for server in servers}
        self.failures = [result for result in results if isinstance(result, Failure)]
        self.noise = [result.noise for result in results if isinstance(result, Cell)]
        self.values: dict[tuple, list] = {}
        for result in results:
            # A server that failed once has no figures: what it did before may not have been right either.
            if self.failure(result.group, result.workload, result.server):
                continue
            key = (result.group, result.workload, result.server)
            if isinstance(result, Cell):
                for metric in ("cpu_us", "rps", "p50_us", "p99_us", "opened_per_request"):
                    self.values.setdefault((*key, metric, result.connections), []).append(getattr(result, metric))
            elif isinstance(result, Start):
                for metric in ("boot_ms", "pss_mb"):
                    self.values.setdefault((*key, metric, 0), []).append(getattr(result, metric))
        self.ran = list(dict.fromkeys((result.group, result.workload, result.server) for result in results))
        self.connections = sorted({key[4] for key in self.values if key[4]})

    def failure(self, group: str, workload: str, server: str) -> Failure | None:
        same = (f for f in self.failures if (f.group, f.workload, f.server) == (group, workload, server))
        return next(same, None)

    def value(self, group: str, workload: str, server: str, metric: str, connections: int = 0) -> float | None:
        values = self.values.get((group, workload, server, metric, connections))
        return median(values) if values else None

    def spread(self, group: str, workload: str, server: str, metric: str, connections: int) -> float | None:
        values = self.values.get((group, workload, server, metric, connections))
        return (max(values) - min(values)) / median(values) if values and median(values) else None

    def mark(self, group: str, workload: Workload, server: str) -> str:
        """A star where the load could not keep its connections, though the workload lets it."""
        opened = self.value(group, workload.name, server, "opened_per_request", self.connections[-1] if self.connections else 0)
        return "*" if (opened or 0) > 0.5 and not workload.close else ""

    def entrants(self, group: str, workload: str) -> list[str]:
        return [server for g, w, server in self.ran if (g, w) == (group, workload)]

    def tables(self) -> list[tuple[Group, Workload]]:
        ran = {(group, workload) for group, workload, _ in self.ran}
        return [
            (group, workload)
            for group in GROUPS
            for workload in WORKLOADS
            if workload.interface == group.interface and (group.name, workload.name) in ran
        ]

    def peers(self, group: str, workload: str) -> list[str]:
        """The servers that count as competitors: neither the subject nor a variant of it."""
        return [name for name in self.entrants(group, workload) if name.partition("-")[0] != self.subject]

    def judged(self, limit: Limit) -> tuple[float, float, str] | None:
        """The subject's value, the peer's and the peer's name; None where either was not measured."""
        connections = 0 if limit.metric in ("pss_mb", "boot_ms") else limit.connections
        value = lambda server: self.value(limit.group, limit.workload, server, limit.metric, connections)
        names = self.peers(limit.group, limit.workload) if limit.peer == BEST else [limit.peer]
        known = [(value(name), name) for name in names if value(name) is not None]
        own = value(self.subject)
        if own is None or not known:
            return None
        peer, name = min(known)
        return own, peer, name

    def bar(self) -> list[tuple[Limit, tuple[float, float, str] | None]]:
        return [(limit, self.judged(limit)) for limit in BAR if any(group == limit.group for group, _, _ in self.ran)]

    def bar_met(self) -> bool:
        return all(judged and round(judged[0] / judged[1], 2) <= limit.ratio for limit, judged in self.bar())


def number(value: float | None, digits: int = 3) -> str:
    """With so many significant digits, never in scientific notation."""
    if value is None:
        return "–"
    whole = len(f"{abs(value):.0f}")
    return f"{value:,.{max(0, digits - whole)}f}"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join(["---"] + ["--:"] * (len(head) - 1)) + "|"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


METRICS = {"cpu_us": "CPU µs per request", "p99_us": "p99", "pss_mb": "memory (PSS)"}


def bar_section(summary: Summary) -> list[str]:
    rows = []
    for limit, judged in summary.bar():
        what = f"{limit.group} {limit.workload}: {METRICS[limit.metric]}"
        if limit.metric != "pss_mb":
            what += f" at {limit.connections}"
        if judged is None:
            # A row that was not asked for is not there; one that failed is.
            if any(summary.failure(limit.group, limit.workload, name) for name in (summary.subject, limit.peer)):
                rows.append([what, limit.peer, f"≤ {limit.ratio:.2f}", "–", "–", "not measured"])
            continue
        own, peer, name = judged
        ratio = round(own / peer, 2)
        verdict = "pass" if ratio <= limit.ratio else "**FAIL**"
        against = f"{limit.peer}: {name}" if limit.peer == BEST else name
        rows.append([what, against, f"≤ {limit.ratio:.2f}", f"{ratio:.2f}", f"{number(own)} / {number(peer)}", verdict])
    if not rows:
        return []
    head = ["measure", "against", "bar", "ratio", f"{summary.subject} / peer", "verdict"]
    return ["## The bar", "", *table(head, rows)]


def ratio_section(summary: Summary, group: Group) -> list[str]:
    rows = []
    for _, workload in [pair for pair in summary.tables() if pair[0] == group]:
        for peer in summary.peers(group.name, workload.name):
            cells = []
            for connections in summary.connections:
                own = summary.value(group.name, workload.name, summary.subject, "cpu_us", connections)
                other = summary.value(group.name, workload.name, peer, "cpu_us", connections)
                cells.append(f"{own / other:.2f}" if own and other else "–")
            if any(cell != "–" for cell in cells):
                rows.append([workload.name, peer, *cells])
    if not rows:
        return []
    head = ["workload", "peer", *(f"@{connections}" for connections in summary.connections)]
    return [f"### {group.title}: CPU per request, {summary.subject} ÷ peer", "", *table(head, rows)]


def workload_section(summary: Summary, group: Group, workload: Workload) -> list[str]:
    rows = []
    for server in summary.entrants(group.name, workload.name):
        if summary.failure(group.name, workload.name, server):
            rows.append([server, "**failed**", *[""] * (2 * len(summary.connections) + 3)])
            continue
        get = lambda metric, connections=0: summary.value(group.name, workload.name, server, metric, connections)
        spread = summary.spread(group.name, workload.name, server, "cpu_us", summary.connections[-1])
        most = summary.connections[-1]
        if get("cpu_us", most) is None:
            continue
        rows.append([
            server + summary.mark(group.name, workload, server),
            *(number(get("cpu_us", connections)) for connections in summary.connections),
            "–" if spread is None else f"{spread:.0%}",
            *(number(get("rps", connections), 4) for connections in summary.connections),
            *(f"{number((get('p50_us', c) or 0) / 1e3)} / {number((get('p99_us', c) or 0) / 1e3)}" for c in [most]),
            number(get("pss_mb")),
            number(get("boot_ms")),
        ])
    most = summary.connections[-1] if summary.connections else 0
    head = [
        "server",
        *(f"CPU µs @{connections}" for connections in summary.connections),
        "spread",
        *(f"req/s @{connections}" for connections in summary.connections),
        f"p50 / p99 ms @{most}",
        "PSS MB",
        "boot ms",
    ]
    return [f"### {group.title}: {workload.title}", "", *table(head, rows)]


def markdown(summary: Summary, picture: str) -> str:
    about = summary.about
    versions = ", ".join(f"{name} {version}" for name, version in sorted(about["versions"].items()))
    machine = "; ".join(f"{name}: {value}" for name, value in about["machine"].items())
    noise = sorted(summary.noise) or [0.0]
    lines = [
        f"# {summary.subject} and its peers, {about['date']}",
        "",
        f"Versions: {versions}.  ",
        f"Machine: {machine}.",
        "",
        "One worker, all its threads and its master on one CPU, the load generator (closed loop, one thread) on another. "
        f"Each server was started {about['rounds']} times for each workload, in turn with the others, and loaded for "
        f"{about['seconds']:g} s at each number of connections; figures are medians over the starts. "
        "CPU µs is the user and system time of the whole process tree, divided by the requests that were answered. "
        "Every response was compared byte for byte; headers, framing and closing were checked before and after the load. "
        "PSS is that of the whole tree after the load, boot the time from the start of the process to the first 200. "
        "Spread is (largest − smallest) ÷ median of the CPU time at the most connections. "
        f"During the measurements others used {noise[len(noise) // 2]:.0%} of the two CPUs in the median, {noise[-1]:.0%} at most. "
        f"`*`{NO_KEEP_ALIVE[1:]}.",
        "",
        f"![CPU time per request]({picture})",
        "",
    ]
    if summary.failures:
        lines += ["## FAILURES", ""]
        for failure in summary.failures:
            lines += [f"**{failure.group} {failure.workload}, {failure.server}** (round {failure.round}):", "", "```"]
            lines += [*failure.what.splitlines(), "```", ""]
    if about.get("skipped"):
        lines += [f"Not measured: {'; '.join(about['skipped'])}.", ""]
    if late := about.get("late"):
        rounds = "start" if len(late) == 1 else "starts"
        lines += [f"The time was over before {len(late)} {rounds} of the last round; those rows have the median of the rounds before.", ""]
    lines += bar_section(summary)
    groups = list(dict.fromkeys(group for group, _ in summary.tables()))
    ratios = [line for group in groups for line in ratio_section(summary, group)]
    if ratios:
        lines += ["## Ratios", "", *ratios]
    lines += ["## Measurements", ""]
    for group, workload in summary.tables():
        lines += workload_section(summary, group, workload)
    notes = [f"- {s.name} ({s.interface}): {s.note}." for s in summary.servers.values() if s.note]
    if notes:
        lines += ["Servers:", "", *dict.fromkeys(notes), ""]
    return "\n".join(lines)

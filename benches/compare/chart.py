"""The chart: for each workload a panel with the servers' CPU time per request, as SVG. Shorter bars are better."""

from __future__ import annotations

from html import escape

from .report import Summary, number

WIDTH, COLUMNS = 960, 2
NAME, BAR_ROOM, ROW, GAP, HEAD = 130, 250, 22, 26, 30

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 } .page { font-size: 17px; font-weight: 600 } .small { font-size: 12px; fill: #59636e }
  .peer { fill: #9aa4af } .subject { fill: #c2410c } .back { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 } .peer { fill: #59636e } .subject { fill: #f97316 } .back { fill: #0d1117 }
  }
"""


def panel(summary: Summary, group, workload, connections: int, left: float, top: float) -> list[str]:
    title = f"{group.title} · {workload.title}"
    out = [f'<text class="title" x="{left}" y="{top + 16}">{escape(title)}</text>']
    names = summary.entrants(group.name, workload.name)
    values = {name: summary.value(group.name, workload.name, name, "cpu_us", connections) for name in names}
    longest = max((value for value in values.values() if value), default=1.0)
    for place, (name, value) in enumerate(values.items()):
        y = top + HEAD + place * ROW
        kind = "subject" if name == summary.subject else "peer"
        width = 0 if value is None else max(1.0, value / longest * BAR_ROOM)
        label = "failed" if value is None else f"{number(value)} µs"
        out += [
            f'<text x="{left + NAME - 8}" y="{y + 14}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="{kind}" x="{left + NAME}" y="{y + 2}" width="{width:.1f}" height="{ROW - 6}" rx="2"/>',
            f'<text class="small" x="{left + NAME + width + 6:.1f}" y="{y + 14}">{label}</text>',
        ]
    return out


def svg(summary: Summary) -> str:
    connections = summary.connections[-1] if summary.connections else 0
    tables = summary.tables()
    body, top = [], 64.0
    for first in range(0, len(tables), COLUMNS):
        row = tables[first : first + COLUMNS]
        for column, (group, workload) in enumerate(row):
            left = 16 + column * (WIDTH - 16) / COLUMNS
            body += panel(summary, group, workload, connections, left, top)
        top += HEAD + GAP + ROW * max(len(summary.entrants(group.name, workload.name)) for group, workload in row)
    plural = "connection" if connections == 1 else "connections"
    head = f"Server CPU time per request at {connections} {plural} (shorter is better)"
    versions = summary.about["versions"]
    names = dict.fromkeys(server.name.partition("-")[0] for server in summary.servers.values())
    below = ", ".join(f"{name} {versions[name]}" for name in names if name in versions)
    below += f"; Python {versions['python']}; {summary.about['machine']['cpu']}; {summary.about['date']}"
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top:.0f}" viewBox="0 0 {WIDTH} {top:.0f}" role="img">',
        f"<title>{head}</title><style>{STYLE}</style>",
        f'<rect class="back" width="{WIDTH}" height="{top:.0f}"/>',
        f'<text class="page" x="16" y="28">{head}</text><text class="small" x="16" y="48">{escape(below)}</text>',
        *body,
        "</svg>",
        "",
    ])

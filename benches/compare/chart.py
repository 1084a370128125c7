"""The chart: for each workload a panel with the servers' CPU time per request, as SVG. Shorter bars are better."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

from . import lettering
from .report import NO_KEEP_ALIVE, Summary, number

WIDTH, COLUMNS, MARGIN = 960, 2, 16
TEXT, SMALL, PAGE = 13, 12, 17
ROW, GAP, LINE = 22, 26, 18

STYLE = f"""
  text {{ font: {TEXT}px system-ui, sans-serif; fill: #1f2328 }}
  .title {{ font-weight: 600 }} .page {{ font-size: {PAGE}px; font-weight: 600 }} .small {{ font-size: {SMALL}px; fill: #59636e }}
  .peer {{ fill: #9aa4af }} .subject {{ fill: #c2410c }} .back {{ fill: #ffffff }}
  @media (prefers-color-scheme: dark) {{
    text {{ fill: #e6edf3 }} .small {{ fill: #9198a1 }} .peer {{ fill: #59636e }} .subject {{ fill: #f97316 }} .back {{ fill: #0d1117 }}
  }}
"""


@dataclass
class Panel:
    """One workload: its title, and a bar for each server that was measured."""

    title: list[str]
    #: Name, value, what stands behind the bar, class.
    bars: list[tuple[str, float, str, str]] = field(default_factory=list)

    @property
    def height(self) -> float:
        return LINE * len(self.title) + 8 + ROW * len(self.bars) + GAP

    def draw(self, left: float, top: float, room: float) -> list[str]:
        out = [
            f'<text class="title" x="{left:.0f}" y="{top + LINE * place + 16:.0f}">{escape(line)}</text>'
            for place, line in enumerate(self.title)
        ]
        top += LINE * len(self.title) + 8
        names = max(lettering.width(name, TEXT) for name, *_ in self.bars)
        labels = max(lettering.width(label, SMALL) for *_, label, _ in self.bars)
        longest = max(value for _, value, *_ in self.bars) or 1.0
        # What names and labels leave is the longest bar's.
        unit = max(20.0, room - names - labels - 20) / longest
        for place, (name, value, label, kind) in enumerate(self.bars):
            y = top + place * ROW
            width = max(1.0, value * unit) if value else 0
            out += [
                f'<text x="{left + names:.1f}" y="{y + 14:.0f}" text-anchor="end">{escape(name)}</text>',
                f'<rect class="{kind}" x="{left + names + 8:.1f}" y="{y + 2:.0f}" width="{width:.1f}" height="{ROW - 6}" rx="2"/>',
                f'<text class="small" x="{left + names + width + 14:.1f}" y="{y + 14:.0f}">{escape(label)}</text>',
            ]
        return out


def panel(summary: Summary, group, workload, connections: int, room: float) -> Panel | None:
    """None: no server has a figure there."""
    title = lettering.lines(f"{group.title} · {workload.title}", TEXT, room, bold=True)
    made = Panel(title)
    for server in summary.entrants(group.name, workload.name):
        value = summary.value(group.name, workload.name, server, "cpu_us", connections)
        kind = "subject" if server == summary.subject else "peer"
        if summary.failure(group.name, workload.name, server):
            made.bars.append((server, 0.0, "failed", kind))
        elif value:
            name = server + summary.mark(group.name, workload, server)
            made.bars.append((name, value, f"{number(value)} µs", kind))
    return made if made.bars else None


def svg(summary: Summary) -> str:
    connections = summary.connections[-1] if summary.connections else 0
    room = (WIDTH - MARGIN * (COLUMNS + 1)) / COLUMNS
    panels = [panel(summary, group, workload, connections, room) for group, workload in summary.tables()]
    panels = [made for made in panels if made is not None]
    plural = "connection" if connections == 1 else "connections"
    head = f"Server CPU time per request at {connections} {plural} (shorter is better)"
    versions = summary.about["versions"]
    names = dict.fromkeys(server.name.partition("-")[0] for server in summary.servers.values())
    below = ", ".join(f"{name} {versions[name]}" for name in names if name in versions)
    below += f"; Python {versions['python']}; {summary.about['machine']['cpu']}; {summary.about['date']}"
    if any(name.endswith("*") for made in panels for name, *_ in made.bars):
        below += f". {NO_KEEP_ALIVE}"
    body, top = [], 12.0
    for kind, size, text in (("page", PAGE, head), ("small", SMALL, below)):
        for line in lettering.lines(text, size, WIDTH - 2 * MARGIN, bold=kind == "page"):
            top += size + 5
            body.append(f'<text class="{kind}" x="{MARGIN}" y="{top:.0f}">{escape(line)}</text>')
    top += 16
    for first in range(0, len(panels), COLUMNS):
        row = panels[first : first + COLUMNS]
        for column, made in enumerate(row):
            body += made.draw(MARGIN + column * (room + MARGIN), top, room)
        top += max(made.height for made in row)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top:.0f}" viewBox="0 0 {WIDTH} {top:.0f}" role="img">',
        f"<title>{escape(head)}</title><style>{STYLE}</style>",
        f'<rect class="back" width="{WIDTH}" height="{top:.0f}"/>',
        *body,
        "</svg>",
        "",
    ])

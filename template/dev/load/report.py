"""The report: one page that loads nothing, and a table for the terminal."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from dev.load.plots import plot
from dev.load.results import Run, Step, Timings
from dev.load.verdict import Finding

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; color: #1f2937; }
table { border-collapse: collapse; margin: 0.5em 0 1.5em; } caption { text-align: left; font-weight: 600; }
th, td { border-bottom: 1px solid #e5e7eb; padding: 0.25em 0.7em; text-align: right; vertical-align: top; }
th:first-child, td:first-child { text-align: left; }
.bad { color: #b91c1c; font-weight: 600; } .good { color: #15803d; }
.plots { display: flex; flex-wrap: wrap; gap: 1em; } svg { width: 36em; max-width: 100%; }
svg text { font-size: 12px; } svg .title { font-weight: 600; }
svg .grid { stroke: #e5e7eb; } pre { background: #f3f4f6; padding: 0.8em; white-space: pre-wrap; }
"""

COLUMNS = (
    *("clients", "began", "requests/s", "p50 ms", "p95 ms", "p99 ms", "longest ms", "unanswered", "errors"),
    *("confirmed", "lost", "connections", "waiting", "waited ms", "CPU service", "CPU database", "CPU generator"),
)
# a terminal is not so wide
NARROW = tuple(COLUMNS.index(name) for name in COLUMNS if name not in {"began", "longest ms", "confirmed", "waiting"})


def rows(steps: Sequence[Step]) -> list[list[str]]:
    """Return the cells of `COLUMNS` for each step."""
    return [_row(step) for step in steps]


def _row(step: Step) -> list[str]:
    pool, cpu = step.pool, step.cpu
    return [
        str(step.clients),
        str(step.began),
        f"{step.per_second:.1f}",
        *_times(step.timings),
        str(sum(step.unanswered().values())),
        str(sum(step.errors().values())),
        str(step.confirmed),
        f"{step.lost}" + (f" (+{step.unchecked} unchecked)" if step.unchecked else ""),
        f"{pool.in_use} of {pool.total}" if pool and pool.total else "?",
        str(pool.waiting) if pool else "?",
        f"{pool.waited_ms:.1f}" if pool else "?",
        *(_share(each) for each in ((cpu.service, cpu.database, cpu.generator) if cpu else (None, None, None))),
    ]


def _times(timings: Timings | None) -> list[str]:
    if timings is None:
        return ["-"] * 4
    return [f"{each:.1f}" for each in (timings.p50, timings.p95, timings.p99, timings.longest)]


def _share(cores: float | None) -> str:
    return "?" if cores is None else f"{cores:.2f}"


def as_text(run: Run, findings: Sequence[Finding], advice: Sequence[str]) -> Iterator[str]:
    """Yield the lines for the terminal."""
    table = [[row[column] for column in NARROW] for row in (COLUMNS, *rows(run.steps))]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    yield from ("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in table)
    yield ""
    yield from advice
    yield ""
    yield from (f"BROKEN: {finding}" for finding in findings if not finding.kept)
    if run.problem:
        yield f"ENDED EARLY: {run.problem}"


def as_html(run: Run, findings: Sequence[Finding], advice: Sequence[str]) -> str:
    """Return the page."""
    broken = [finding for finding in findings if not finding.kept]
    parts = [
        f"<h1>Load test of {escape(run.target)}</h1><p>{escape(run.started)}</p>",
        f'<p class="bad">Ended early: {escape(run.problem)}</p>' if run.problem else "",
        _list("Broken thresholds", broken, "bad") if broken else f'<p class="good">{_kept(findings)}</p>',
        f"<h2>Recommendation</h2><pre>{escape(chr(10).join(advice))}</pre>",
        f'<div class="plots">{"".join(_plots(run.steps))}</div>' if run.steps else "",
        _table("Steps", COLUMNS, rows(run.steps)),
        _table("Requests", ("request", "clients", *REQUEST_COLUMNS), _requests(run.steps)),
        _table("Service", ("setting", "in force"), list(run.settings.items())),
        f"<p>{NOTES}</p>",
    ]
    head = f'<meta charset="utf-8"><title>Load test</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


REQUEST_COLUMNS = ("when", "good", "p50 ms", "p95 ms", "p99 ms", "longest ms", "unanswered", "errors")
NOTES = (
    "Times and requests/s are those of requests in the rounds that were answered as expected; requests/s without those "
    "that were answered after the time of the step. Unanswered are requests "
    "without a response: timed out, refused, or cut off; no percentile contains them. Errors are other responses than "
    "the journey expects. Lost is what the service confirmed to have stored and did not have at the end. Connections "
    "are the most that were in use when it was looked; waiting are units of work that waited for one then. CPU is in "
    "cores. docs/load.md says more."
)


def _kept(findings: Sequence[Finding]) -> str:
    return f"All {len(findings)} thresholds are kept." if findings else "No threshold could be compared."


def _plots(steps: Sequence[Step]) -> Iterator[str]:
    labels = [str(step.clients) for step in steps]
    times = {name: [getattr(step.timings, name, None) for step in steps] for name in ("p50", "p95", "p99")}
    yield plot("Latency", "ms", labels, times)
    yield plot("Throughput", "requests/s", labels, {"answered as expected": [step.per_second for step in steps]})
    if any(step.pool and step.pool.total for step in steps):
        pools = {name: [getattr(step.pool, name, None) for step in steps] for name in ("in_use", "waiting", "total")}
        shown = {"in use": pools["in_use"], "waiting": pools["waiting"], "allowed": pools["total"]}
        yield plot("Connections", "connections", labels, shown)


def _requests(steps: Sequence[Step]) -> Iterator[list[str]]:
    for step in steps:
        for each in step.requests:
            counts = (_counts(each.unanswered), _counts(each.errors))
            yield [each.name, str(step.clients), each.phase, str(each.good), *_times(each.timings), *counts]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "0"


def _table(caption: str, columns: Sequence[str], body: Any) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    lines = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in body)
    return f"<table><caption>{escape(caption)}</caption><tr>{head}</tr>{lines}</table>"


def _list(title: str, lines: Sequence[object], kind: str) -> str:
    items = "".join(f"<li>{escape(str(line))}</li>" for line in lines)
    return f'<h2 class="{kind}">{escape(title)}</h2><ul class="{kind}">{items}</ul>'

"""Compares the results with the thresholds."""

from collections.abc import Iterator
from dataclasses import dataclass

from dev.load.plan import Latency, Plan
from dev.load.results import Run, Step, Timings, in_words


@dataclass(frozen=True)
class Finding:
    """One threshold in one step.

    Attributes:
        what: such as `p99`, or with the name of a request.
        clients: of the step.
        measured: `None` if nothing could be measured.
        allowed: the most, or for requests per second the least.
        kept: whether the threshold is kept.
        unit: of both numbers.
    """

    what: str
    clients: int
    measured: float | None
    allowed: float
    kept: bool
    unit: str = ""

    def __str__(self) -> str:
        """Return one line."""
        measured = "nothing was measured" if self.measured is None else f"{_shown(self.measured)}{self.unit}"
        word = "at least" if self.what == "requests/s" else "allowed"
        return f"{self.what} at {in_words(self.clients)}: {measured}, {word} {_shown(self.allowed)}{self.unit}"


def findings(plan: Plan, run: Run) -> list[Finding]:
    """Return a finding for each threshold and step."""
    found = [finding for step in run.steps for finding in _of_step(plan, step)]
    least = plan.thresholds.requests_per_second
    if least is not None and run.steps:
        best = max(run.steps, key=lambda step: step.per_second)
        found.append(Finding("requests/s", best.clients, best.per_second, least, best.per_second >= least))
    return found


def _of_step(plan: Plan, step: Step) -> Iterator[Finding]:
    limits = plan.thresholds
    counts = {
        "unanswered requests": (sum(step.unanswered().values()), limits.unanswered),
        "errors": (sum(step.errors().values()), limits.errors),
        "lost records": (step.lost, limits.lost),
        "records that could not be looked for": (step.unchecked, 0),
        "clients that could not begin": (step.clients - step.began, 0),
    }
    for what, (measured, allowed) in counts.items():
        yield Finding(what, step.clients, measured, allowed, measured <= allowed)
    yield from _latencies("", step.clients, step.timings, limits)
    timings = {each.name: each.timings for each in step.requests}
    for name, latency in plan.requests.items():
        yield from _latencies(f"{name}: ", step.clients, timings.get(name), latency)


def _latencies(prefix: str, clients: int, timings: Timings | None, limits: Latency) -> Iterator[Finding]:
    for name in ("p50", "p95", "p99"):
        allowed: float | None = getattr(limits, f"{name}_ms")
        if allowed is not None:
            measured: float | None = getattr(timings, name) if timings else None
            kept = measured is not None and measured <= allowed
            yield Finding(f"{prefix}{name}", clients, measured, allowed, kept, " ms")


def _shown(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")

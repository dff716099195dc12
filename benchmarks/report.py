"""One plain table: absolute numbers, and what they are of the tutorial's in the same round."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from benchmarks.load import Outcome

Rounds = Sequence["Sample"]


@dataclass(frozen=True)
class Sample:
    """One app, one endpoint, one process."""

    per_second: float
    cpu_us: float | None
    p99_ms: float
    failed: int

    @classmethod
    def of(cls, outcome: Outcome, cpu_seconds: float | None) -> "Sample":
        """The numbers of a measurement."""
        answered = len(outcome.latencies)
        return cls(
            per_second=answered / outcome.seconds,
            cpu_us=cpu_seconds / answered * 1e6 if cpu_seconds is not None and answered else None,
            p99_ms=quantiles(outcome.latencies, n=100)[98] * 1000 if answered > 1 else float("nan"),
            failed=outcome.failed,
        )


def table(title: str, results: Mapping[str, Rounds], round_trips: Mapping[str, float], baseline: str) -> str:
    """The rows of one endpoint; ratios are medians over the rounds, so that what loads the machine counts for both."""
    width = max(map(len, results))
    head = f"{'requests/s':>10}  {'ratio':>5}  {'(of rounds)':>11}  {'CPU us':>6}  {'ratio':>5}  {'p99 ms':>6}"
    lines = [title, f"  {'':{width}}  {head}  {'trips':>5}  {'failed':>6}"]
    for name, rounds in results.items():
        speed = [own.per_second / other.per_second for own, other in zip(rounds, results[baseline], strict=True)]
        cpu = _median([sample.cpu_us for sample in rounds])
        cost = _median([_quotient(a.cpu_us, b.cpu_us) for a, b in zip(rounds, results[baseline], strict=True)])
        lines.append(
            f"  {name:{width}}  {median(sample.per_second for sample in rounds):10.0f}  {median(speed):5.2f}"
            f"  {min(speed):5.2f}-{max(speed):5.2f}  {_number(cpu, 6, 0)}  {_number(cost, 5, 2)}"
            f"  {median(sample.p99_ms for sample in rounds):6.1f}  {_number(round_trips.get(name), 5, 2)}"
            f"  {sum(sample.failed for sample in rounds):6}"
        )
    return "\n".join(lines) + "\n"


def _quotient(own: float | None, other: float | None) -> float | None:
    return own / other if own is not None and other else None


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _number(value: float | None, width: int, digits: int) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:{width}.{digits}f}"

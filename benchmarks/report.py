"""Prints a plain table: absolute numbers, and their ratio to the tutorial's in the same turn."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from statistics import median, quantiles

from benchmarks.load import Outcome


@dataclass(frozen=True)
class Sample:
    """One turn of one app; a warm-up turn counts for failures only."""

    outcome: Outcome
    cpu_seconds: float | None
    warm_up: bool

    @property
    def per_second(self) -> float:
        """Responses per second."""
        return len(self.outcome.latencies) / self.outcome.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of the server's CPU time per response; NaN where the system does not report it."""
        return (self.cpu_seconds or float("nan")) / max(1, len(self.outcome.latencies)) * 1e6


def table(title: str, results: Mapping[str, list[Sample]], trips: Mapping[str, float], baseline: str) -> str:
    """Return the table of one endpoint."""
    width = max(map(len, results))
    reference = _measured(results[baseline])
    lines = [
        title,
        f"  {'':{width}}  requests/s  ratio (middle half)  CPU us  ratio  p99 ms  trips  failed",
    ]
    for name, samples in results.items():
        own = _measured(samples)
        speed = [mine.per_second / other.per_second for mine, other in zip(own, reference, strict=True)]
        cost = [mine.cpu_us / other.cpu_us for mine, other in zip(own, reference, strict=True)]
        low, _, high = quantiles(speed, n=4)
        latencies = list(chain.from_iterable(sample.outcome.latencies for sample in own)) or [float("nan")] * 2
        lines.append(
            f"  {name:{width}}  {median(sample.per_second for sample in own):10.0f}"
            f"  {median(speed):5.2f} ({low:4.2f} - {high:4.2f})"
            f"  {median(sample.cpu_us for sample in own):6.0f}  {median(cost):5.2f}"
            f"  {quantiles(latencies, n=100)[98] * 1000:6.1f}  {trips[name]:5.2f}"
            f"  {sum(sample.outcome.failed for sample in samples):6}"
        )
    return "\n".join(lines) + "\n"


def _measured(samples: list[Sample]) -> list[Sample]:
    return [sample for sample in samples if not sample.warm_up]

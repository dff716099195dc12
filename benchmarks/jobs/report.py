"""Prints a plain table for each queue."""

from collections.abc import Mapping, Sequence
from itertools import chain
from statistics import median, quantiles

from benchmarks.jobs.client import Findings, Plan
from benchmarks.jobs.measuring import Idle
from benchmarks.jobs.subjects import SERVICE, Queue, Subject

AIMS = "Aims: ratio >= 0.50, a median start within 50 ms, <= 1 query/s of an idle worker, which is three round trips."
Results = Mapping[Subject, Sequence[Findings]]


def table(queue: Queue, plan: Plan, results: Results, idle: Idle) -> str:
    """Return the table of one queue: the service for each batch size, and the bare library."""
    reference = [each.rates[0] for each in results[queue.alone[0]]]
    rows = []
    for subject, findings in results.items():
        for number, size in enumerate(plan.sizes if subject is SERVICE else plan.sizes[:1]):
            rates = [each.rates[number] for each in findings]
            name = f"{subject.name}, {_batch(size)}" if subject is SERVICE else subject.name
            rows.append((name, rates, [] if number else list(chain.from_iterable(each.delays for each in findings))))
    width = max(len(name) for name, *_ in rows)
    lines = [f"{queue.answer}: {queue.concurrency} jobs at a time"]
    lines.append(f"  {'':{width}}    jobs/s  ratio (lowest - highest)  start after ms: median     p99")
    lines += [f"  {name:{width}}  {_speed(rates, reference)}  {_start(delays)}" for name, rates, delays in rows]
    cpu = "?" if idle.cpu_seconds is None else f"{idle.cpu_seconds:.3f}"
    lines.append(
        f"  an idle worker of the service, per second: {idle.round_trips:.1f} round trips to PostgreSQL,"
        f" {cpu} s of processor time"
    )
    return "\n".join(lines) + "\n"


def _batch(size: int) -> str:
    return "a transaction for each job" if size == 1 else f"{size} jobs in a transaction"


def _speed(rates: Sequence[float], reference: Sequence[float]) -> str:
    ratios = [mine / other for mine, other in zip(rates, reference, strict=True)]
    return f"{median(rates):8.0f}  {median(ratios):5.2f} ({min(ratios):6.2f} - {max(ratios):7.2f})"


def _start(delays: Sequence[float]) -> str:
    if len(delays) < 2:
        return ""
    return f"{median(delays) * 1000:22.1f}  {quantiles(delays, n=100)[98] * 1000:6.1f}"

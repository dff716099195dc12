"""Every Prometheus instrument of the process, declared once."""

import os
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest

from app.platform import multiprocess

# prometheus_client decides the same way, also when it is imported, where this process counts: in files, or in memory
IN_FILES = multiprocess.VARIABLE in os.environ

HTTP_REQUEST_SECONDS = Histogram(
    "http_request_duration_seconds",
    "Time from the first byte of a request to the last byte of its response.",
    ["method", "route", "status"],
)
RATE_LIMIT_FALLBACKS = Counter(
    "rate_limit_fallbacks_total",
    "Rate limit decisions taken from this process's memory because Redis did not answer.",
)
DB_POOL_CONNECTIONS = Gauge(
    "db_pool_connections",
    "Open database connections, by state: idle, checked_out; overflow are those beyond the size of the pool.",
    ["state"],
    multiprocess_mode="livesum",
)
DB_SLOW_STATEMENTS = Counter("db_slow_statements_total", "SQL statements that took longer than DB_SLOW_SQL_THRESHOLD.")


def render() -> bytes:
    """The text exposition of all instruments, of all processes of the service or worker if there are several."""
    directory = os.environ.get(multiprocess.VARIABLE)
    if directory is None:
        return generate_latest(REGISTRY)
    families = multiprocess.collect(Path(directory))
    if not IN_FILES:
        # one that starts others, and counts in memory
        families = multiprocess.add(REGISTRY.collect(), families)
    return generate_latest(_Families(families))


class _Families(CollectorRegistry):
    """Samples that were collected already."""

    def __init__(self, families: list[Metric]) -> None:
        super().__init__()
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)

"""Every Prometheus instrument of the process, declared once."""

import os

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

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
    "Database connections of this process, by state: idle, checked_out, overflow.",
    ["state"],
    multiprocess_mode="livesum",
)
DB_SLOW_STATEMENTS = Counter("db_slow_statements_total", "SQL statements that took longer than DB_SLOW_SQL_THRESHOLD.")


def render() -> bytes:
    """The text exposition of all instruments, of all workers when `PROMETHEUS_MULTIPROC_DIR` is set."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)

"""The platform's Prometheus metrics, and their output."""

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest

from app.platform import multiprocess

# Whether this process keeps its metrics in files or in memory; prometheus_client decides the same way at its import.
IN_FILES = multiprocess.VARIABLE in os.environ

HTTP_REQUEST_SECONDS = Histogram(
    "http_request_duration_seconds",
    "Time from the first byte of a request to the last byte of its response.",
    ["method", "route", "status"],
)
RATE_LIMIT_FALLBACKS = Counter(
    "rate_limit_fallbacks_total",
    "How often Redis did not answer about a rate, so that this process counts in its memory for a second.",
)
CACHE_REQUESTS = Counter("cache_requests_total", "Reads through a cache, by result.", ["cache", "result"])
CACHE_INVALIDATIONS = Counter(
    "cache_invalidations_total", "Invalidations of cached values, by whether Redis has done them.", ["cache", "result"]
)
# the bounds of what an alert may ask for: 1 ms to 1 s, and what is left of DB_POOL_TIMEOUT and of long transactions
_DB_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
DB_POOL_CHECKOUT_SECONDS = Histogram(
    "db_pool_checkout_seconds", "Time that work waited for its turn at the connection pool.", buckets=_DB_SECONDS
)
DB_CONNECTION_HELD_SECONDS = Histogram(
    "db_connection_held_seconds", "Time from the turn of some work to its end.", buckets=_DB_SECONDS
)
DB_POOL_TIMEOUTS = Counter(
    "db_pool_timeouts_total", "Work that got no connection: it waited for DB_POOL_TIMEOUT, or too many waited already."
)
DB_CONNECTION_LIMIT = Gauge(
    "db_connection_limit",
    "Connections that PostgreSQL allows this role and database, as read at start.",
    multiprocess_mode="livemax",
)
HTTP_CLIENT_SECONDS = Histogram(
    "http_client_duration_seconds",
    "Time of a call of another service with all its tries, by outcome.",
    ["outcome"],
)
DB_ERRORS = Counter("db_errors_total", "Errors of the database, by cause.", ["cause"])
DB_RETRIES = Counter("db_retries_total", "Reads and units of work that were repeated, by cause.", ["cause"])
DB_READS = Counter("db_reads_total", "Reads where there are replicas, by the kind of server.", ["server"])
DB_REPLICA_IN_USE = Gauge(
    "db_replica_in_use", "Whether reads go to this replica: 1 or 0.", ["replica"], multiprocess_mode="livemin"
)
DB_REPLICA_LAG_SECONDS = Gauge(
    "db_replica_lag_seconds", "How far this replica is behind the primary.", ["replica"], multiprocess_mode="livemax"
)
DB_REPLICA_LEFT_OUT = Counter("db_replica_left_out_total", "How often a replica was left out, by reason.", ["reason"])
DB_REPLICA_REPETITIONS = Counter(
    "db_replica_repetitions_total", "Reads that failed on a replica and were repeated on the primary."
)
DB_RECENT_WRITER_FALLBACKS = Counter(
    "db_recent_writer_fallbacks_total",
    "How often Redis did not say who has written, so that reads go to the primary for a while.",
)
DB_SLOW_STATEMENTS = Counter("db_slow_statements_total", "SQL statements that took longer than DB_SLOW_SQL_THRESHOLD.")


@lru_cache(maxsize=1024)
def http_request_seconds(method: str, route: str, status: int) -> Histogram:
    """Return the histogram with these labels; there are few, and finding them costs as much as observing."""
    return HTTP_REQUEST_SECONDS.labels(method, route, status)


def render() -> bytes:
    """Return the metrics in Prometheus' text format, added up over all processes of the service or worker."""
    directory = os.environ.get(multiprocess.VARIABLE)
    if directory is None:
        return generate_latest(REGISTRY)
    collected = multiprocess.collect(Path(directory))
    if not IN_FILES:
        # this process starts the others, and keeps its own metrics in memory
        collected = multiprocess.add(REGISTRY.collect(), collected)
    return generate_latest(_Collected(collected))


class _Collected(CollectorRegistry):
    """A registry of metrics that were collected already."""

    def __init__(self, collected: list[Metric]) -> None:
        super().__init__()
        self._collected = collected

    def collect(self) -> Iterator[Metric]:
        return iter(self._collected)

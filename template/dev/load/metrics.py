"""Reads what the service tells about its connection pools in `/metrics`."""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Event, Thread
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from dev.load.results import Pool

SECONDS = 2.0
# between two looks at the gauges
INTERVAL = 0.25
WAITED = "db_pool_checkout_seconds"
HELD = "db_connection_held_seconds"


@dataclass
class Scrape:
    """One answer of `/metrics`.

    Attributes:
        moment: of `time.monotonic()`.
        values: sums over all labels, by the name of the sample.
        buckets: the histogram of waiting at the pool, by upper bound in seconds.
    """

    moment: float
    values: dict[str, float] = field(default_factory=dict)
    buckets: dict[float, float] = field(default_factory=dict)

    def get(self, name: str) -> float:
        """Return a value, or 0."""
        return self.values.get(name, 0.0)


def parse(text: str) -> Scrape:
    """Return the values of a text in Prometheus' format.

    Raises:
        ValueError: it has another format.
    """
    found = Scrape(time.monotonic())
    for family in text_string_to_metric_families(text):
        for name, labels, value, *_ in family.samples:
            # the route of these requests is no part of the journey
            if labels.get("route") != "/metrics":
                found.values[name] = found.values.get(name, 0.0) + value
            if name == f"{WAITED}_bucket":
                found.buckets[float(labels["le"])] = value
    return found


def scrape(url: str) -> Scrape | None:
    """Ask the service at this address; return `None` if it does not answer.

    urllib is not used, because it obeys the environment's proxy settings.
    """
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=SECONDS)
    try:
        connection.request("GET", f"{parts.path}/metrics")
        response = connection.getresponse()
        return parse(response.read().decode()) if response.status == 200 else None
    except (OSError, HTTPException, ValueError):
        return None
    finally:
        connection.close()


class Watch:
    """Looks at the gauges again and again while a step is measured."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stopping = Event()
        self._before = scrape(url)
        self._between: list[Scrape] = []
        self._thread = Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._stopping.wait(INTERVAL):
            if found := scrape(self._url):
                self._between.append(found)

    def stop(self) -> tuple[Pool | None, float | None]:
        """Return the pools of the time since the start, and the busy cores of a service of one process."""
        self._stopping.set()
        self._thread.join(SECONDS + 1)
        after = scrape(self._url)
        if self._before is None or after is None:
            return None, None
        return pool(self._before, self._between, after), _busy_cores(self._before, after)


def pool(before: Scrape, between: Iterable[Scrape], after: Scrape) -> Pool | None:
    """Return what has happened at the pools; `None` if the service does not show them."""
    if "db_pool_size" not in after.values:
        return None
    looks = list(between) or [after]

    def grown(name: str) -> float:
        return max(0.0, after.get(name) - before.get(name))

    waits, held = grown(f"{WAITED}_count"), grown(f"{HELD}_count")
    return Pool(
        size=round(after.get("db_pool_size")),
        overflow=round(after.get("db_pool_max_overflow")),
        in_use=round(max(each.get("db_pool_checked_out") for each in looks)),
        waiting=round(max(each.get("db_pool_waiting") for each in looks)),
        waited_ms=_mean_ms(grown(f"{WAITED}_sum"), waits),
        waited_p99_ms=_percentile_ms(before, after, 0.99 * waits),
        held_ms=_mean_ms(grown(f"{HELD}_sum"), held),
        held=round(held),
        timeouts=round(grown("db_pool_timeouts_total")),
        requests=round(grown("http_request_duration_seconds_count")),
        limit=round(after.get("db_connection_limit")),
        looks=len(looks),
        seconds=max(0.001, after.moment - before.moment),
    )


def _mean_ms(seconds: float, count: float) -> float:
    return seconds * 1000 / count if count else 0.0


def _percentile_ms(before: Scrape, after: Scrape, wanted: float) -> float | None:
    """Return the first bound of the histogram that so many units of work did not exceed."""
    for bound, count in sorted(after.buckets.items()):
        if count - before.buckets.get(bound, 0.0) >= wanted:
            return None if math.isinf(bound) else bound * 1000
    return None


def _busy_cores(before: Scrape, after: Scrape) -> float | None:
    if "process_cpu_seconds_total" not in after.values:
        return None
    used = after.get("process_cpu_seconds_total") - before.get("process_cpu_seconds_total")
    return max(0.0, used) / max(0.001, after.moment - before.moment)

"""The monitoring of a worker without its process."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2 as httpx
from prometheus_client.parser import text_string_to_metric_families

from app.config import Settings
from app.platform.db.session import Database
from app.platform.jobs.monitoring import Monitoring
from app.platform.jobs.registry import Schedule
from app.platform.resources import Check

Ping = Callable[[], Awaitable[None]]

HOST = "127.0.0.1"


class FakeBroker:
    """A broker with this number of jobs."""

    def __init__(self, depth: int) -> None:
        self._depth = depth

    async def depth(self) -> int:
        return self._depth

    async def ping(self) -> None:
        pass


class UnavailableBroker(FakeBroker):
    """A broker that does not answer."""

    async def depth(self) -> int:
        raise ConnectionError


@dataclass
class MonitoredWorker:
    """Serves and reads the monitoring of a worker."""

    database: Database
    settings: Settings
    broker: FakeBroker = field(default_factory=lambda: FakeBroker(0))
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    schedules: list[Schedule] = field(default_factory=list)

    @asynccontextmanager
    async def serving(self, *more: Check, **checks: Ping) -> AsyncIterator[httpx.AsyncClient]:
        with socket.socket() as free:
            free.bind((HOST, 0))
            port = free.getsockname()[1]
        jobs = self.settings.jobs.model_copy(update={"metrics_port": port})
        critical = [Check(name, ping) for name, ping in checks.items()]
        subject = Monitoring(self.database, self.broker, [*more, *critical], self.stopping, self.schedules)
        async with subject.serving(jobs), httpx.AsyncClient(base_url=f"http://{HOST}:{port}") as client:
            yield client

    async def scrape(self) -> dict[str, float]:
        """Return the samples that Prometheus gets, by name and labels; each family must appear once."""
        async with self.serving() as client:
            got = await client.get("/metrics")
        assert (got.status_code, got.headers["content-type"].split(";")[0]) == (200, "text/plain")
        return samples(got.text)


def samples(text: str) -> dict[str, float]:
    families = list(text_string_to_metric_families(text))
    names = Counter(family.name for family in families)
    assert set(names.values()) == {1}, names.most_common(3)
    found: dict[str, float] = {}
    for family in families:
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found

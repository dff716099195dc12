"""Caches of several processes on a real server with the Redis protocol, and a source that counts its reads."""

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY
from pydantic import BaseModel

from app.platform.cache.caches import Caches
from app.platform.cache.settings import CacheSettings
from tests.platform.support.silent_proxy import SilentProxy


class Price(BaseModel):
    """A value to cache."""

    cents: int


class Source:
    """Where the prices are; a read waits until `open` is set."""

    def __init__(self) -> None:
        self.cents = 1
        self.reads = 0
        self.open = asyncio.Event()
        self.open.set()

    async def load(self) -> Price:
        """Read the price first, and wait then: as a statement whose result is on its way."""
        self.reads += 1
        price = Price(cents=self.cents)
        await self.open.wait()
        return price


class Process:
    """The caches of a process."""

    def __init__(self, caches: Caches, name: str) -> None:
        self.caches = caches
        self.name = name
        self.prices = caches.shared(name, Price)

    async def read(self, source: Source, key: str = "tea") -> int:
        """Return the price in cents."""
        return (await self.prices.get(key, load=source.load)).cents


Start = Callable[..., Process]


@pytest.fixture
def source() -> Source:
    """Return a source without delay."""
    return Source()


@pytest.fixture
async def proxy(redis_url: str) -> AsyncIterator[SilentProxy]:
    """Yield a proxy in front of Redis that can fall silent."""
    async with SilentProxy(redis_url).running() as proxy:
        yield proxy


@pytest.fixture
async def start(redis_url: str) -> AsyncIterator[Start]:
    """Yield a function that starts the caches of another process of the same service."""
    service, name = uuid4().hex, uuid4().hex
    started: list[Caches] = []

    def begin(url: str = redis_url, longest_wait: float = 30, **settings: object) -> Process:
        given = CacheSettings.model_construct(enabled=True).model_copy(update={"timeout": 10.0} | settings)
        started.append(Caches(given, url, service, longest_wait))
        return Process(started[-1], name)

    yield begin
    for each in started:
        await each.close()


def counted(process: Process) -> dict[str, int]:
    """Return the number of reads by their result."""
    return {
        sample.labels["result"]: round(sample.value)
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name == "cache_requests_total" and sample.labels["cache"] == process.name and sample.value
    }


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition is true."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (the condition sends no event)
            await asyncio.sleep(0.005)

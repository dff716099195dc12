"""Rounds of measurements: every round starts every app anew and measures them in turn, one endpoint after the other."""

import asyncio
import gc
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks import workload
from benchmarks.apps import App
from benchmarks.load import load
from benchmarks.proxy import RoundTrips
from benchmarks.report import Sample
from benchmarks.server import Cores, Server
from benchmarks.workload import ENDPOINTS, Endpoint, Person

SEQUENTIAL_REQUESTS = 20


@dataclass(frozen=True)
class Benchmark:
    """The apps on one PostgreSQL, whose databases are prepared, and how hard to ask them."""

    apps: list[App]
    people: tuple[Person, Person]
    server_url: str
    cores: Cores
    connections: int
    seconds: float

    async def round(self, number: int) -> dict[Endpoint, dict[str, Sample]]:
        """Measure everything once; nobody is always the first."""
        turn = number % len(self.apps)
        order = self.apps[turn:] + self.apps[:turn]
        samples: dict[Endpoint, dict[str, Sample]] = {endpoint: {} for endpoint in ENDPOINTS}
        async with AsyncExitStack() as stack:
            running = [(app, await stack.enter_async_context(self._running(app, self.server_url))) for app in order]
            for endpoint in ENDPOINTS:
                for app, (server, requests) in running:
                    samples[endpoint][app.name] = await self._measure(server, endpoint, requests[endpoint])
        return samples

    async def round_trips(self) -> dict[Endpoint, dict[str, float]]:
        """Count what one request says to the database in the steady state, one request at a time."""
        counted: dict[Endpoint, dict[str, float]] = defaultdict(dict)
        target = urlsplit(self.server_url)
        for app in self.apps:
            async with RoundTrips(str(target.hostname), target.port or 5432).running() as proxy:
                seen = target._replace(netloc=f"{target.username}:{target.password}@127.0.0.1:{proxy.port}").geturl()
                async with self._running(app, seen) as (server, requests):
                    for endpoint in ENDPOINTS:
                        counted[endpoint][app.name] = await self._count(proxy, server, requests[endpoint])
        return counted

    @asynccontextmanager
    async def _running(self, app: App, server_url: str) -> AsyncIterator[tuple[Server, dict[Endpoint, bytes]]]:
        async with app.serving(server_url, self.cores) as server:
            yield server, await workload.requests(app, server, *self.people)

    async def _measure(self, server: Server, endpoint: Endpoint, request: bytes) -> Sample:
        many = endpoint.requests
        warm_up = await load(server.port, request, many // 5, connections=self.connections, seconds=self.seconds)
        gc.collect()
        gc.disable()
        before = server.cpu_seconds()
        outcome = await load(server.port, request, many, connections=self.connections, seconds=self.seconds)
        after = server.cpu_seconds()
        gc.enable()
        outcome.unanswered += warm_up.failed
        return Sample.of(outcome, None if before is None or after is None else after - before)

    async def _count(self, proxy: RoundTrips, server: Server, request: bytes) -> float:
        many = SEQUENTIAL_REQUESTS
        # statements are prepared after some repetitions
        await load(server.port, request, many, connections=1, seconds=self.seconds)
        before = proxy.count
        done = await load(server.port, request, many, connections=1, seconds=self.seconds)
        # some apps commit after they have answered
        await asyncio.sleep(0.1)
        return (proxy.count - before) / max(1, len(done.latencies))

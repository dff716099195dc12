"""Rounds of measurements; each round restarts every app."""

import asyncio
import gc
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks import workload
from benchmarks.apps import App
from benchmarks.load import load
from benchmarks.proxy import RoundTrips
from benchmarks.report import Sample
from benchmarks.server import Cores, Server, ServerError
from benchmarks.workload import ENDPOINTS, Endpoint, People

TURNS = 3
SEQUENTIAL_REQUESTS = 20
SETTLING_SECONDS = 0.2
Results = dict[Endpoint, dict[str, list[Sample]]]


@dataclass(frozen=True)
class Benchmark:
    """The apps, the PostgreSQL with their prepared databases, and the load to apply."""

    apps: list[App]
    people: Mapping[str, People]
    server_url: str
    cores: Cores
    connections: int
    seconds: float

    async def round(self, number: int) -> Results:
        """Start all apps and measure them in short turns, so that other load on the machine affects all alike."""
        first = number % len(self.apps)
        order = self.apps[first:] + self.apps[:first]
        samples: Results = {endpoint: {app.name: [] for app in order} for endpoint in ENDPOINTS}
        async with AsyncExitStack() as stack:
            running = [(app, await stack.enter_async_context(self._running(app, self.server_url))) for app in order]
            for endpoint in ENDPOINTS:
                for turn in range(1 + TURNS):
                    for app, (server, requests) in running:
                        sample = await self._measure(server, endpoint, requests[endpoint], warm_up=turn == 0)
                        samples[endpoint][app.name].append(sample)
        return samples

    async def round_trips(self) -> dict[Endpoint, dict[str, float]]:
        """Count the database round trips of a request in the steady state, sending one request at a time."""
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
            yield server, await workload.requests(app, server, *self.people[app.schema])

    async def _measure(self, server: Server, endpoint: Endpoint, request: bytes, *, warm_up: bool) -> Sample:
        gc.collect()
        gc.disable()
        before = server.cpu_seconds()
        try:
            outcome = await load(
                server.port, request, endpoint.requests, connections=self.connections, seconds=self.seconds
            )
        finally:
            gc.enable()
        after = server.cpu_seconds()
        return Sample(outcome, None if before is None or after is None else after - before, warm_up)

    async def _count(self, proxy: RoundTrips, server: Server, request: bytes) -> float:
        # count the second time: statements are prepared after some repetitions
        for _ in range(2):
            before = proxy.count
            done = await load(server.port, request, SEQUENTIAL_REQUESTS, connections=1, seconds=self.seconds)
            if done.failed:
                raise ServerError(f"{request.splitlines()[0].decode()} failed, with one request at a time")
            # some apps commit after they respond
            await asyncio.sleep(SETTLING_SECONDS)
        return (proxy.count - before) / max(1, len(done.latencies))

"""Measures the structural variants side by side with the usual tutorial, in one go on one PostgreSQL.

Every round starts every app anew and measures them in turn, one endpoint after the other. Only the ratios count, and
only as far as the tutorial's twin, which is the same program, differs from it.
"""

import argparse
import asyncio
import gc
import platform
import signal
import sys
import tempfile
from collections import defaultdict
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import apps, report, workload
from benchmarks.apps import App
from benchmarks.load import load
from benchmarks.proxy import RoundTrips
from benchmarks.report import Sample
from benchmarks.server import Cores, Server, ServerError, pinned
from benchmarks.workload import ENDPOINTS, Endpoint, Person
from tests import rendering
from tests.shell import CommandError
from tests.variants import ROOT

BASELINE = "tutorial"
WARM_UP_SECONDS = 10.0
SEQUENTIAL = 20
Results = dict[str, dict[str, list[Sample]]]


class Benchmark:
    """The apps on one PostgreSQL."""

    def __init__(self, options: argparse.Namespace, server_url: str, cores: Cores) -> None:
        self._options = options
        self._url = server_url
        self._cores = cores
        self._people: tuple[Person, Person]
        self._apps: list[App] = []

    async def prepare(self, place: Path) -> None:
        """Render, install, migrate and fill."""
        template = rendering.snapshot(place / "template")
        say("rendering and installing the variants")
        services = apps.services(template, place)
        if self._options.compare:
            other = rendering.snapshot(place / "other", self._options.compare.resolve())
            services += apps.services(other, place, "other")
        by_driver = {driver: next(app for app in services if app.name.startswith(driver)) for driver in apps.DRIVERS}
        tutorials = [
            apps.tutorial(name, template, by_driver[driver], driver)
            for name, driver in {BASELINE: "asyncpg", "tutorial again": "asyncpg", "tutorial psycopg": "psycopg"}.items()
        ]
        wanted = [app for app in services if self._options.only in app.name]
        self._apps = [*tutorials, *wanted]
        say("migrating and filling their databases")
        self._people = await workload.prepare(self._apps, template, self._url, self._cores)

    async def count_round_trips(self) -> dict[str, dict[str, float]]:
        """Round trips to the database per request in the steady state, one request at a time."""
        counted: dict[str, dict[str, float]] = defaultdict(dict)
        target = urlsplit(self._url)
        for app in self._apps:
            async with RoundTrips(str(target.hostname), target.port or 5432).running() as proxy:
                seen = target._replace(netloc=f"{target.username}:{target.password}@127.0.0.1:{proxy.port}").geturl()
                async with app.serving(seen, self._cores) as server:
                    for endpoint in ENDPOINTS:
                        request = await self._request(app, server, endpoint)
                        await load(server.port, request, connections=1, requests=SEQUENTIAL, seconds=WARM_UP_SECONDS)
                        before = proxy.count
                        done = await load(
                            server.port, request, connections=1, requests=SEQUENTIAL, seconds=WARM_UP_SECONDS
                        )
                        await asyncio.sleep(0.1)
                        counted[endpoint.title][app.name] = (proxy.count - before) / max(1, len(done.latencies))
        return counted

    async def round(self, number: int, results: Results) -> None:
        """Start every app, and measure each endpoint on one after the other."""
        order = self._apps[number % len(self._apps) :] + self._apps[: number % len(self._apps)]
        async with AsyncExitStack() as stack:
            servers = {app.name: await stack.enter_async_context(app.serving(self._url, self._cores)) for app in order}
            for endpoint in ENDPOINTS:
                for app in order:
                    results[endpoint.title][app.name].append(await self._measure(app, servers[app.name], endpoint))

    async def _measure(self, app: App, server: Server, endpoint: Endpoint) -> Sample:
        request = await self._request(app, server, endpoint)
        many = {"connections": self._options.connections, "seconds": self._options.seconds}
        warm_up = await load(server.port, request, requests=endpoint.requests // 5, **many)
        gc.collect()
        gc.disable()
        before = server.cpu_seconds()
        outcome = await load(server.port, request, requests=endpoint.requests, **many)
        after = server.cpu_seconds()
        gc.enable()
        outcome.unanswered += warm_up.failed
        return Sample.of(outcome, None if before is None or after is None else after - before)

    async def _request(self, app: App, server: Server, endpoint: Endpoint) -> bytes:
        reader, writer = self._people
        if app.is_service:
            reader = await workload.sign_in(server, workload.READER, reader)
            writer = await workload.sign_in(server, workload.WRITER, writer)
        return endpoint.request(app, reader, writer)

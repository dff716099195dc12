"""What every section of the benchmark works with: the apps, and the PostgreSQL with their prepared databases."""

import gc
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import workload
from benchmarks.apps import App, Kind
from benchmarks.server import Cores, Server
from benchmarks.workload import Endpoint, People, Sql

BASELINE, TWIN = "tutorial", "tutorial, its twin"


@dataclass(frozen=True)
class Bench:
    """The apps, where they run, and how often each is started; no measurement takes longer than `seconds`."""

    apps: list[App]
    people: Mapping[str, People]
    server_url: str
    template: Path
    cores: Cores
    rounds: int
    seconds: float

    @property
    def sql(self) -> Sql:
        """Runs statements on the PostgreSQL."""
        return Sql(self.apps, self.template, self.server_url)

    @asynccontextmanager
    async def running(
        self, app: App, server_url: str = "", **variables: str
    ) -> AsyncIterator[tuple[Server, dict[Endpoint, bytes]]]:
        """Run an app; yield its server and what to send to each of its endpoints."""
        async with app.serving(server_url or self.server_url, self.cores, **variables) as server:
            yield server, await workload.requests(app, server, *self.people[app.schema])

    def without_twin(self) -> "Bench":
        """Return the same without the twin, for sections that show no small differences."""
        return replace(self, apps=[app for app in self.apps if app.name != TWIN])

    def about_data(self) -> "Bench":
        """Return the same with one service of each driver and data access, for sections where a queue adds nothing.

        The peer is left out as well: no settings change its pool.
        """
        few = [app for app in self.without_twin().apps if app.kind is not Kind.PEER]
        plain = {(app.tree, app.driver, app.style) for app in few if not app.has_queue}
        return replace(
            self, apps=[app for app in few if not app.has_queue or (app.tree, app.driver, app.style) not in plain]
        )

    def in_turn(self, number: int) -> list[App]:
        """Return the apps, beginning with another one in each round."""
        first = number % len(self.apps)
        return self.apps[first:] + self.apps[:first]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep the garbage collector from interrupting the block."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def say(what: str) -> None:
    """Report progress."""
    sys.stderr.write(f"{what} ...\n")

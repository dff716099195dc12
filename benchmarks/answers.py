"""The section `requests`: what each answer costs the server, and how many and how fast they are."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from itertools import chain
from urllib.parse import urlsplit

from benchmarks import counting
from benchmarks.bench import BASELINE, Bench, say, undisturbed
from benchmarks.load import Outcome, load
from benchmarks.proxy import RoundTrips
from benchmarks.report import Cell, Column, Section, Spread, Table, middle, percentile
from benchmarks.server import Server, ServerError
from benchmarks.workload import ENDPOINTS, Endpoint

TURNS = 3
# with fewer, most of a turn would be its beginning and its end
REQUESTS_PER_CLIENT = 4
SEQUENTIAL_REQUESTS = 20
SETTLING_SECONDS = 0.2
NOTE = (
    f"Medians of all turns (middle half); p50 and p99 of all answers. Ratios: {BASELINE} in the same turn = 1.00; 2.00"
    " is half of its CPU time\nfor an answer, or twice its requests a second. The first ratio counts: speed depends on"
    " the client and on PostgreSQL as well.\ntrips: to PostgreSQL, for one request, which does not wait for its disk."
)
COLUMNS = (
    Column("cpu_ratio", "CPU ratio (middle half)"),
    Column("cpu_us", "CPU us"),
    Column("speed_ratio", "speed ratio (middle half)"),
    Column("per_second", "requests/s"),
    Column("p50_ms", "p50 ms", 1),
    Column("p99_ms", "p99 ms", 1),
    Column("refused", "refused"),
    Column("unanswered", "unanswered"),
    Column("trips", "trips", 2),
)
COUNTED = Column("kilo_instructions", "k instructions")


@dataclass(frozen=True)
class Sample:
    """One turn of one app; a warm-up turn counts for failures only."""

    outcome: Outcome
    cpu_seconds: float | None
    warm_up: bool = False

    @property
    def cpu_us(self) -> float | None:
        """Microseconds of the server's CPU time per answer; None where the system does not report it."""
        if not self.cpu_seconds or not self.outcome.latencies:
            return None
        return self.cpu_seconds / len(self.outcome.latencies) * 1e6


# of each endpoint and number of clients, by the name of the app
Samples = dict[tuple[Endpoint, int], dict[str, list[Sample]]]
Numbers = dict[Endpoint, dict[str, float]]


async def measure(bench: Bench, clients: Sequence[int], *, count: bool) -> Section:
    """Measure all endpoints with these numbers of clients."""
    say("Counting round trips")
    trips = await _round_trips(bench)
    counted, word = await counting.instructions(bench) if count else ({}, "")
    samples: Samples = defaultdict(lambda: {app.name: [] for app in bench.apps})
    for number in range(bench.rounds):
        say(f"Requests, round {number + 1} of {bench.rounds}")
        await _round(bench, number, clients, samples)
    ours = [app.name for app in bench.apps if app.is_service and not app.tree]
    failed = sum(each.outcome.failed for of_app in samples.values() for name in ours for each in of_app[name])
    busy = max(each.outcome.client_share for of_app in samples.values() for each in chain(*of_app.values()))
    note = f"{NOTE}\n{word}The client used at most {busy:.0%} of its core."
    return Section("requests", note, _tables(samples, trips, counted), failed)


def _tables(samples: Samples, trips: Numbers, counted: Numbers) -> list[Table]:
    """Return a table for each endpoint and number of clients; apps without this endpoint are left out."""
    columns = (*COLUMNS, COUNTED) if counted else COLUMNS
    return [
        Table(
            f"{endpoint.title}, {clients} clients",
            columns,
            [
                _row(name, own, of_app[BASELINE]) | _counts(endpoint, name, trips, counted)
                for name, own in of_app.items()
                if own
            ],
        )
        for (endpoint, clients), of_app in samples.items()
    ]


async def _round(bench: Bench, number: int, clients: Sequence[int], samples: Samples) -> None:
    """Start all apps and measure them in short turns, so that other load on the machine affects all alike."""
    async with AsyncExitStack() as stack:
        running = [(app, await stack.enter_async_context(bench.running(app))) for app in bench.in_turn(number)]
        offered = {endpoint for app, (_, requests) in running if app.is_service for endpoint in requests}
        for connections in clients:
            for endpoint in [each for each in ENDPOINTS if each in offered]:
                for turn in range(1 + TURNS):
                    for app, (server, requests) in running:
                        if endpoint in requests:
                            most = max(endpoint.requests, REQUESTS_PER_CLIENT * connections)
                            sample = await _sample(bench, server, requests[endpoint], most, connections)
                            samples[endpoint, connections][app.name].append(replace(sample, warm_up=turn == 0))


async def _sample(bench: Bench, server: Server, request: bytes, most: int, connections: int) -> Sample:
    with undisturbed():
        before = server.cpu_seconds()
        outcome = await load(server.port, request, most, connections=connections, seconds=bench.seconds)
        after = server.cpu_seconds()
    return Sample(outcome, None if before is None or after is None else after - before)


async def _round_trips(bench: Bench) -> Numbers:
    """Count the database round trips of a request in the steady state, sending one request at a time."""
    trips: Numbers = defaultdict(dict)
    target = urlsplit(bench.server_url)
    for app in bench.apps:
        async with RoundTrips(str(target.hostname), target.port or 5432).running() as proxy:
            seen = target._replace(netloc=f"{target.username}:{target.password}@127.0.0.1:{proxy.port}").geturl()
            async with bench.running(app, seen) as (server, requests):
                for endpoint, request in requests.items():
                    trips[endpoint][app.name] = await _count(proxy, server, request, bench.seconds)
    return trips


async def _count(proxy: RoundTrips, server: Server, request: bytes, seconds: float) -> float:
    # count the second time: statements are prepared after some repetitions
    for _ in range(2):
        before = proxy.count
        done = await load(server.port, request, SEQUENTIAL_REQUESTS, connections=1, seconds=seconds)
        if done.failed:
            raise ServerError(f"{request.splitlines()[0].decode()} failed, with one request at a time")
        # some apps commit after they respond
        await asyncio.sleep(SETTLING_SECONDS)
    return (proxy.count - before) / max(1, len(done.latencies))


def _row(name: str, samples: Sequence[Sample], reference: Sequence[Sample]) -> dict[str, Cell]:
    pairs = [(own, other) for own, other in zip(samples, reference, strict=True) if not own.warm_up]
    costs = [other.cpu_us / own.cpu_us for own, other in pairs if own.cpu_us and other.cpu_us]
    speeds = [own.outcome.per_second / other.outcome.per_second for own, other in pairs if other.outcome.per_second]
    latencies = list(chain.from_iterable(own.outcome.latencies for own, _ in pairs))
    return {
        "app": name,
        "cpu_ratio": Spread.of(costs),
        "cpu_us": middle(own.cpu_us for own, _ in pairs),
        "speed_ratio": Spread.of(speeds),
        "per_second": middle(own.outcome.per_second for own, _ in pairs),
        "p50_ms": percentile(latencies, 50),
        "p99_ms": percentile(latencies, 99),
        "refused": sum(sample.outcome.refused for sample in samples),
        "unanswered": sum(sample.outcome.unanswered for sample in samples),
    }


def _counts(endpoint: Endpoint, name: str, trips: Numbers, counted: Numbers) -> dict[str, Cell]:
    return {"trips": trips[endpoint].get(name), COUNTED.key: counted.get(endpoint, {}).get(name)}

"""The section `starvation`: more clients than the pool has connections, for some seconds."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from benchmarks.apps import App
from benchmarks.bench import Bench, say, undisturbed
from benchmarks.load import Outcome, load
from benchmarks.report import Cell, Column, Section, Table, middle, percentile
from benchmarks.server import ServerError
from benchmarks.workload import READ

# connections that stay open, and how many more there may be
Pool = tuple[int, int]
WARM_UP_REQUESTS = 200
COLUMNS = (
    Column("without", "without an answer", 1),
    Column("refused", "refused", 1),
    Column("p50_ms", "p50 ms", 1),
    Column("p99_ms", "p99 ms", 1),
    Column("p99_by_p50", "p99/p50", 2),
    Column("longest_ms", "longest ms"),
    Column("per_second", "answers/s"),
)


@dataclass(frozen=True)
class Crowd:
    """A number of clients on a pool."""

    clients: int
    size: int
    overflow: int

    def __str__(self) -> str:
        return f"{READ.title}, {self.clients} clients on a pool of {self.size}+{self.overflow}"


async def measure(bench: Bench, pools: Sequence[Pool], clients: Sequence[int], window: float) -> Section:
    """Measure these numbers of clients on each pool. Clients without an answer are a finding, not a failure."""
    outcomes: dict[Crowd, dict[str, list[Outcome]]] = defaultdict(lambda: defaultdict(list))
    crowds = [Crowd(number, *pool) for pool in pools for number in clients]
    for number in range(bench.rounds):
        say(f"Starvation, round {number + 1} of {bench.rounds}")
        for crowd in crowds:
            for app in bench.in_turn(number):
                outcomes[crowd][app.name].append(await _outcome(bench, app, crowd, window))
    note = (
        f"{window:g} seconds, in which each client asks again as soon as it is answered. without an answer: clients"
        " that got none of 2xx at all; refused: other answers.\nMedians of all rounds. Latencies are those of answers"
        " of 2xx, and the waits that had no answer in the end. Settings: DB_POOL_SIZE, DB_MAX_OVERFLOW."
    )
    tables = [
        Table(str(crowd), COLUMNS, [_row(app.name, outcomes[crowd][app.name]) for app in bench.apps])
        for crowd in crowds
    ]
    return Section("starvation", note, tables)


async def _outcome(bench: Bench, app: App, crowd: Crowd, window: float) -> Outcome:
    """Start the app, because requests of clients that have left would still be waiting in it."""
    pool = {"DB_POOL_SIZE": str(crowd.size), "DB_MAX_OVERFLOW": str(crowd.overflow)}
    async with bench.running(app, **pool) as (server, requests):
        few = min(crowd.clients, crowd.size)
        warm = await load(server.port, requests[READ], WARM_UP_REQUESTS, connections=few, seconds=bench.seconds)
        if warm.failed:
            raise ServerError(f"{app.name}: {warm.failed} of {WARM_UP_REQUESTS} requests failed without a crowd")
        with undisturbed():
            return await load(server.port, requests[READ], connections=crowd.clients, seconds=window, grace=0)


def _row(name: str, outcomes: Sequence[Outcome]) -> dict[str, Cell]:
    waits = list(chain.from_iterable((*each.latencies, *each.waits) for each in outcomes))
    p50, p99 = percentile(waits, 50), percentile(waits, 99)
    return {
        "app": name,
        "without": middle(each.starved for each in outcomes),
        "refused": middle(each.refused for each in outcomes),
        "p50_ms": p50,
        "p99_ms": p99,
        "p99_by_p50": p99 / p50 if p50 and p99 else None,
        "longest_ms": max(waits) * 1000 if waits else None,
        "per_second": middle(each.per_second for each in outcomes),
    }

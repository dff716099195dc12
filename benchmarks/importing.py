"""The section `import`: the import of orders beside bare COPY, the server's memory, and reads beside an import."""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from benchmarks import workload
from benchmarks.apps import App
from benchmarks.bare_copy import EMPTY
from benchmarks.bench import Bench, say, undisturbed
from benchmarks.load import Outcome, http, load, response
from benchmarks.report import Cell, Column, Section, Spread, Table, middle, percentile
from benchmarks.server import Server, pinned
from benchmarks.workload import LINES, READ, People, Person
from tests.shell import run

# for an import of a million orders; nothing waits longer
IMPORT_SECONDS = 180.0
CHUNK = 1000
READERS = 4
WARM_UP_ORDERS = 1000
ROWS_OF_AN_ORDER = 1 + len(LINES)
NOTE = (
    "Medians. of COPY: rows a second, those of the driver's COPY of the same rows into the same tables in the same"
    " round = 1.00.\nBoth run on the server's core."
)
LINE = json.dumps({"lines": LINES}).encode() + b"\n"
SPEED = (
    Column("of_copy", "of COPY (middle half)"),
    Column("rows_per_second", "rows/s"),
    Column("copy_rows_per_second", "COPY rows/s"),
    Column("failure", "failure"),
)
READS = (
    Column("alone_p50_ms", "alone p50 ms", 1),
    Column("alone_p99_ms", "p99 ms", 1),
    Column("beside_p50_ms", "beside p50 ms", 1),
    Column("beside_p99_ms", "p99 ms", 1),
    Column("p99_by_alone", "p99/p99", 2),
    Column("imports", "imports"),
    Column("failed", "failed"),
)


@dataclass(frozen=True)
class Imported:
    """The end of an import: its seconds, and why it failed if it did."""

    seconds: float
    failure: str = ""


@dataclass(frozen=True)
class Sizes:
    """The number of orders in the timed import, and in the imports that measure the memory."""

    orders: int
    large: Sequence[int]


@dataclass
class _Found:
    """What a service did, in all rounds; `speeds` are seconds of its import and of COPY."""

    app: App
    speeds: list[tuple[float, float]] = field(default_factory=list)
    alone: list[Outcome] = field(default_factory=list)
    beside: list[Outcome] = field(default_factory=list)
    peaks: dict[str, Cell] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    imports: int = 0

    @property
    def failure(self) -> str | None:
        """The first failure."""
        return self.failures[0] if self.failures else None

    def note(self, done: Imported) -> None:
        """Keep the failure of an import."""
        self.failures += [done.failure] if done.failure else []


async def measure(bench: Bench, sizes: Sizes) -> Section:
    """Measure the services; afterwards their databases have no orders."""
    found = [_Found(app) for app in bench.apps if app.is_service]
    for number in range(bench.rounds):
        say(f"Import, round {number + 1} of {bench.rounds}")
        for each in found:
            async with each.app.serving(bench.server_url, bench.cores) as server:
                people = await workload.sign_in(server, *bench.people[each.app.schema])
                each.note(await upload(server, people[1], WARM_UP_ORDERS))
                each.peaks = {"before": server.memory_mib("VmHWM")}
                await _compare(bench, each, server, people, sizes.orders)
                await _read(bench, each, server, people, sizes.orders)
                if number == bench.rounds - 1:
                    await _grow(bench, each, server, people, sizes.large)
    ours = [each for each in found if not each.app.tree]
    failed = sum(len(each.failures) + sum(outcome.failed for outcome in each.alone + each.beside) for each in ours)
    return Section("import", NOTE, _tables(found, sizes), failed)


def _tables(found: Sequence[_Found], sizes: Sizes) -> list[Table]:
    large = [Column(f"after_{number}", f"after {number}") for number in sizes.large]
    return [
        Table(
            f"Import of {sizes.orders} orders with {len(LINES)} lines each",
            SPEED,
            [_speed(each, sizes.orders * ROWS_OF_AN_ORDER) for each in found],
        ),
        Table(f"{READ.title}, {READERS} clients, alone and beside an import", READS, [_reads(each) for each in found]),
        Table(
            "The most memory of the server so far, MiB",
            (Column("before", "before"), *large, Column("failure", "failure")),
            [{"app": each.app.name, **each.peaks, "failure": each.failure} for each in found],
        ),
    ]


async def upload(server: Server, writer: Person, orders: int) -> Imported:
    """Import a number of orders."""
    headers = {**writer.headers, "content-type": "application/x-ndjson", "content-length": str(len(LINE) * orders)}
    started = time.perf_counter()
    stream, sink = await asyncio.open_connection("127.0.0.1", server.port)
    answered = asyncio.create_task(response(stream))
    try:
        async with asyncio.timeout(IMPORT_SECONDS):
            sink.write(http("POST", "/api/v1/orders/import", headers))
            # a server that refuses answers early, and does not read the rest
            with suppress(ConnectionError):
                for first in range(0, orders, CHUNK):
                    sink.write(LINE * min(CHUNK, orders - first))
                    await sink.drain()
            status, body = await answered
    except (OSError, EOFError, TimeoutError) as error:
        return Imported(time.perf_counter() - started, f"{type(error).__name__}: {error}")
    finally:
        answered.cancel()
        sink.close()
    failure = "" if status == 200 and json.loads(body) == {"imported": orders} else f"{status}: {body.decode()[:200]}"
    return Imported(time.perf_counter() - started, failure)


async def _compare(bench: Bench, found: _Found, server: Server, people: People, orders: int) -> None:
    """Import orders and copy them, each into empty tables."""
    app, sql, writer = found.app, bench.sql, people[1]
    sql.run(app.database, EMPTY)
    done = await upload(server, writer, orders)
    sql.run(app.database, EMPTY)
    found.note(done)
    command = [app.command[0], "-m", "benchmarks.bare_copy", app.driver, sql.url(app.database), writer.id, str(orders)]
    with pinned(bench.cores.server):
        copied = float(await asyncio.to_thread(run, *command, cwd=bench.template, seconds=IMPORT_SECONDS))
    if not done.failure:
        found.speeds.append((done.seconds, copied))


async def _read(bench: Bench, found: _Found, server: Server, people: People, orders: int) -> None:
    """Read alone, then beside imports, for the same time."""
    request = READ.of_service(*people)

    async def reads() -> Outcome:
        with undisturbed():
            return await load(server.port, request, connections=READERS, seconds=bench.seconds)

    found.alone.append(await reads())
    reading = asyncio.create_task(reads())
    while not reading.done():
        done = await upload(server, people[1], orders)
        found.imports += 1
        found.note(done)
        if done.failure:
            break
    found.beside.append(await reading)
    bench.sql.run(found.app.database, EMPTY)


async def _grow(bench: Bench, found: _Found, server: Server, people: People, sizes: Sequence[int]) -> None:
    """Import more and more orders, and note the most memory that the server had."""
    for orders in sizes:
        found.note(await upload(server, people[1], orders))
        found.peaks[f"after_{orders}"] = server.memory_mib("VmHWM")
        bench.sql.run(found.app.database, EMPTY)


def _speed(found: _Found, rows: int) -> dict[str, Cell]:
    return {
        "app": found.app.name,
        "of_copy": Spread.of([copied / done for done, copied in found.speeds]),
        "rows_per_second": middle(rows / done for done, _ in found.speeds),
        "copy_rows_per_second": middle(rows / copied for _, copied in found.speeds),
        "failure": found.failure,
    }


def _reads(found: _Found) -> dict[str, Cell]:
    alone = [latency for each in found.alone for latency in each.latencies]
    beside = [latency for each in found.beside for latency in each.latencies]
    p99s = percentile(alone, 99), percentile(beside, 99)
    return {
        "app": found.app.name,
        "alone_p50_ms": percentile(alone, 50),
        "alone_p99_ms": p99s[0],
        "beside_p50_ms": percentile(beside, 50),
        "beside_p99_ms": p99s[1],
        "p99_by_alone": p99s[1] / p99s[0] if p99s[0] and p99s[1] else None,
        "imports": found.imports,
        "failed": sum(each.failed for each in found.alone + found.beside),
    }

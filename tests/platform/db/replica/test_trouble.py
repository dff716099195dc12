"""A replica that lags, is gone, is silent, or fails while it is read from is left out, and used again afterwards."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select, text
from structlog.testing import capture_logs

from app.platform import metrics
from app.platform.db import replicas
from app.platform.db.session import Database
from app.platform.errors import DatabaseUnavailable
from tests.platform.db.replica.helpers import PORT, Note, notes, port_of, port_used, reads_from, replicating
from tests.platform.support.replication import Pair, eventually
from tests.platform.support.silent_proxy import SilentProxy
from tests.support.databases import execute

LOST = ("connection_lost", "not_connected", "not_answering")


def left_out(*reasons: str) -> float:
    counted = [REGISTRY.get_sample_value("db_replica_left_out_total", {"reason": each}) for each in reasons]
    return sum(each or 0.0 for each in counted)


def gauge(name: str, pair: Pair) -> float | None:
    return REGISTRY.get_sample_value(f"db_replica_{name}", {"replica": pair.replica.host})


def repetitions() -> float:
    return REGISTRY.get_sample_value("db_replica_repetitions_total") or 0.0


@pytest.fixture
async def database(pair: Pair) -> AsyncIterator[Database]:
    """Yield a database whose replica is in use."""
    async with replicating(pair.primary.url, pair.replica.url, replica_max_lag=1.0) as database:
        await reads_from(database, pair.replica)
        yield database


async def test_a_replica_that_lags_is_left_out_until_it_has_caught_up(pair: Pair, database: Database) -> None:
    before = left_out("lagging")
    with capture_logs() as logs:
        await pair.replica.pause()
        try:
            await execute(pair.primary.url, "INSERT INTO notes VALUES ('late')")
            await reads_from(database, pair.primary)
            assert gauge("in_use", pair) == 0
            # it says so once
            await asyncio.sleep(2.5)
            assert await port_used(database) == port_of(pair.primary)
            assert (gauge("lag_seconds", pair) or 0) > 1
        finally:
            await pair.replica.resume()
        await reads_from(database, pair.replica)
    events = [(each["event"], each.get("reason")) for each in logs if each["event"].startswith("replica")]
    assert events == [("replica_left_out", "lagging"), ("replica_back", None)]
    assert left_out("lagging") == before + 1
    assert gauge("in_use", pair) == 1
    assert (gauge("lag_seconds", pair) or 0) <= 1
    assert await notes(database) == ["late"]
    await execute(pair.primary.url, "TRUNCATE notes")


async def test_an_idle_primary_has_no_lag(pair: Pair, database: Database) -> None:
    await pair.caught_up()
    until = time.monotonic() + 3.5
    while time.monotonic() < until:
        assert await port_used(database) == port_of(pair.replica)
        await asyncio.sleep(0.1)
    assert gauge("lag_seconds", pair) == 0


async def test_reads_survive_the_end_and_the_return_of_the_replica(pair: Pair, database: Database) -> None:
    before = left_out(*LOST)
    reading = True

    async def read() -> int:
        count = 0
        while reading:
            await notes(database)
            async with database.read() as session:
                await session.scalars(select(Note))
            count += 1
            await asyncio.sleep(0.01)
        return count

    readers = [asyncio.create_task(read()) for _ in range(4)]
    try:
        await asyncio.sleep(0.2)
        await asyncio.to_thread(pair.replica.stop)
        await asyncio.sleep(0.5)
        assert await port_used(database) == port_of(pair.primary)
        await asyncio.to_thread(pair.replica.start)
        await reads_from(database, pair.replica)
    finally:
        reading = False
        counts = await asyncio.gather(*readers)
    # no read has failed
    assert min(counts) > 20
    assert left_out(*LOST) == before + 1


async def test_a_replica_that_is_down_at_the_start_is_used_when_it_comes(pair: Pair) -> None:
    await asyncio.to_thread(pair.replica.stop)
    async with replicating(pair.primary.url, pair.replica.url) as database:
        assert await port_used(database) == port_of(pair.primary)
        assert database.replicas
        with pytest.raises(ConnectionError, match="not_answering"):
            await database.replicas.ping()
        await asyncio.to_thread(pair.replica.start)
        await reads_from(database, pair.replica)
        await database.replicas.ping()


async def test_a_silent_replica_is_left_out_and_closing_does_not_wait_for_it(pair: Pair) -> None:
    async with SilentProxy(pair.replica.url).running() as proxy:
        async with replicating(pair.primary.url, proxy.url, replica_max_lag=1.0) as database:
            await reads_from(database, pair.replica)
            proxy.silent = True
            await asyncio.sleep(replicas.INTERVAL + replicas.USABLE)
            started = time.monotonic()
            assert await port_used(database) == port_of(pair.primary)
            assert time.monotonic() - started < 0.5
            started = time.monotonic()
        assert time.monotonic() - started < 10


async def test_a_silent_primary_leaves_the_replica_in_use(pair: Pair) -> None:
    async with (
        SilentProxy(pair.primary.url).running() as proxy,
        replicating(proxy.url, pair.replica.url, statement_timeout=1.0, replica_max_lag=1.0) as database,
    ):
        await reads_from(database, pair.replica)
        proxy.silent = True
        with capture_logs() as logs:
            await asyncio.sleep(replicas.USABLE + 2)
        assert await port_used(database) == port_of(pair.replica)
    # once, not with each check
    assert [log["event"] for log in logs].count("primary_position_unknown") == 1


async def test_a_conflict_with_the_replay_is_repeated_on_the_primary(pair: Pair, database: Database) -> None:
    """The replica cancels a read of rows that the primary has removed and vacuumed."""
    await execute(pair.replica.url, "ALTER SYSTEM SET max_standby_streaming_delay = 0", "SELECT pg_reload_conf()")
    await execute(pair.primary.url, "INSERT INTO notes SELECT CAST(n AS text) FROM generate_series(1, 3) AS n")
    await pair.caught_up()
    repeated = repetitions()
    slow = text("SELECT count(*), (SELECT inet_server_port()) FROM notes, pg_sleep(2)")

    async def read() -> int:
        async with database.read() as session:
            return int((await session.execute(slow)).one()[1])

    reading = asyncio.create_task(read())
    await asyncio.sleep(0.5)
    await execute(pair.primary.url, "DELETE FROM notes", "VACUUM notes")
    assert await reading == port_of(pair.primary)
    assert repetitions() == repeated + 1
    # the replica itself is fine, and is used again after its next check
    await reads_from(database, pair.replica)


async def test_what_was_read_before_is_not_mixed_with_the_primary(pair: Pair, database: Database) -> None:
    await execute(pair.primary.url, "INSERT INTO notes VALUES ('one')")
    await pair.caught_up()
    end = text("SELECT pg_terminate_backend(pg_backend_pid())")
    async with database.read() as session:
        assert await session.get(Note, "one")
        with pytest.raises(Exception, match=r"terminating|closed"):
            await session.execute(end)
    await execute(pair.primary.url, "TRUNCATE notes")


async def test_both_gone(pair: Pair) -> None:
    nobody = "postgresql://app:app@127.0.0.1:1/app"
    async with replicating(nobody, pair.replica.url) as database:
        with pytest.raises(DatabaseUnavailable):
            async with database.read() as session:
                await session.execute(PORT)


async def test_lag_is_shown_in_metrics(pair: Pair, database: Database) -> None:
    assert await port_used(database) == port_of(pair.replica)
    shown = metrics.render().decode()
    assert f'db_replica_in_use{{replica="{pair.replica.host}"}} 1.0' in shown
    assert 'db_reads_total{server="replica"}' in shown

    async def counted() -> bool:
        return f'db_replica_lag_seconds{{replica="{pair.replica.host}"}}' in metrics.render().decode()

    await eventually(counted)

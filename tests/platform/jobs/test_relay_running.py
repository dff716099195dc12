"""The relay goes on for as long as the worker lives, whatever it loses meanwhile."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from app.config import Settings
from app.platform.db.session import Database
from app.platform.jobs import relay
from app.platform.jobs.relay import Relay
from tests.platform.jobs.brokers import Heard
from tests.platform.jobs.rows import cut_connections, put, running
from tests.support.server import PATIENCE

pytestmark = pytest.mark.commits

MakeRelay = Callable[..., Relay]


def make(database: Database, settings: Settings, broker: Heard, *, interval: float) -> Relay:
    return Relay(database, broker, settings.tasks.model_copy(update={"poll_interval": interval}))


@pytest.fixture
def relay_of(database: Database, settings: Settings) -> MakeRelay:
    return partial(make, database, settings)


async def test_notification_wakes_it(relay_of: MakeRelay, database: Database) -> None:
    broker = Heard()
    first = await put(database)
    async with running(relay_of(broker, interval=2 * PATIENCE).run()):
        # it listens before it looks for the first time
        await broker.hears_of(first)
        for _ in range(3):
            await broker.hears_of(await put(database))


async def test_full_batch_is_followed_by_the_next_at_once(
    relay_of: MakeRelay, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "BATCH", 2)
    broker = Heard()
    keys = [await put(database) for _ in range(5)]
    async with running(relay_of(broker, interval=2 * PATIENCE).run()):
        for key in keys:
            await broker.hears_of(key)
    assert len(broker.told) == 5


async def test_delay_that_is_over_is_noticed_without_a_notification(relay_of: MakeRelay, database: Database) -> None:
    broker = Heard()
    key = await put(database, due=timedelta(seconds=0.1))
    async with running(relay_of(broker, interval=0.02).run()):
        await broker.hears_of(key)


async def test_broker_that_comes_back_is_told(relay_of: MakeRelay, database: Database) -> None:
    broker = Heard(failures=3)
    key = await put(database)
    async with running(relay_of(broker, interval=0.01).run()):
        await broker.hears_of(key)
        await broker.hears_of(await put(database))


@pytest.mark.parametrize("lost", ["true", "query LIKE 'LISTEN%'", "query NOT LIKE 'LISTEN%'"])
async def test_database_that_comes_back_is_asked(
    relay_of: MakeRelay, database: Database, settings: Settings, lost: str
) -> None:
    broker = Heard()
    key = await put(database)
    async with running(relay_of(broker, interval=0.05).run()):
        await broker.hears_of(key)
        await cut_connections(settings, lost)
        # what asks for the job must not meet one of the lost connections
        other = Database(settings.database)
        await other.init()
        await broker.hears_of(await put(other))
        await other.close()


async def test_it_does_not_ask_all_the_time_while_the_database_is_away(
    relay_of: MakeRelay, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()
    attempts: list[str] = []

    def refuse(*_: object) -> None:
        attempts.append("refused")
        asked.set()
        raise ConnectionError

    monkeypatch.setattr(relay, "listening", refuse)
    async with running(relay_of(Heard(), interval=2 * PATIENCE).run()):
        await asked.wait()
        await database.ping()
        assert attempts == ["refused"]

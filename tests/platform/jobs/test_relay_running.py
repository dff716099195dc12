"""The relay runs until it is cancelled, even if it loses the database or the broker."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from app.config import Settings
from app.platform.db.session import Database
from app.platform.jobs import relay
from app.platform.jobs.relay import Relay
from tests.platform.jobs.brokers import RecordingPublisher
from tests.platform.jobs.rows import cut_connections, insert_job, running
from tests.support.server import PATIENCE

pytestmark = pytest.mark.commits

MakeRelay = Callable[..., Relay]


def make(database: Database, settings: Settings, broker: RecordingPublisher, *, interval: float) -> Relay:
    return Relay(database, broker, settings.jobs.model_copy(update={"poll_interval": interval}))


@pytest.fixture
def relay_of(database: Database, settings: Settings) -> MakeRelay:
    return partial(make, database, settings)


async def test_notification_wakes_the_relay(relay_of: MakeRelay, database: Database) -> None:
    broker = RecordingPublisher()
    first = await insert_job(database)
    async with running(relay_of(broker, interval=2 * PATIENCE).run()):
        # after the first delivery, the relay listens
        await broker.wait_for(first)
        for _ in range(3):
            await broker.wait_for(await insert_job(database))


async def test_full_batch_is_followed_by_another_without_a_wait(
    relay_of: MakeRelay, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "BATCH", 2)
    broker = RecordingPublisher()
    keys = [await insert_job(database) for _ in range(5)]
    async with running(relay_of(broker, interval=2 * PATIENCE).run()):
        for key in keys:
            await broker.wait_for(key)
    assert len(broker.published) == 5


async def test_job_is_delivered_after_its_delay_without_a_notification(relay_of: MakeRelay, database: Database) -> None:
    broker = RecordingPublisher()
    key = await insert_job(database, due=timedelta(seconds=0.1))
    async with running(relay_of(broker, interval=0.02).run()):
        await broker.wait_for(key)


async def test_jobs_are_delivered_when_the_broker_is_back(relay_of: MakeRelay, database: Database) -> None:
    broker = RecordingPublisher(failures=3)
    key = await insert_job(database)
    async with running(relay_of(broker, interval=0.01).run()):
        await broker.wait_for(key)
        await broker.wait_for(await insert_job(database))


@pytest.mark.parametrize("lost", ["true", "query LIKE 'LISTEN%'", "query NOT LIKE 'LISTEN%'"])
async def test_jobs_are_delivered_when_the_database_is_back(
    relay_of: MakeRelay, database: Database, settings: Settings, lost: str
) -> None:
    broker = RecordingPublisher()
    key = await insert_job(database)
    async with running(relay_of(broker, interval=0.05).run()):
        await broker.wait_for(key)
        await cut_connections(settings, lost)
        # a new pool, because the other one has lost connections
        other = Database(settings.database)
        await other.init()
        await broker.wait_for(await insert_job(other))
        await other.close()


async def test_relay_pauses_while_the_database_is_away(
    relay_of: MakeRelay, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()
    attempts: list[str] = []

    def refuse(*_: object) -> None:
        attempts.append("refused")
        asked.set()
        raise ConnectionError

    monkeypatch.setattr(relay, "listening", refuse)
    async with running(relay_of(RecordingPublisher(), interval=2 * PATIENCE).run()):
        await asked.wait()
        await database.ping()
        assert attempts == ["refused"]

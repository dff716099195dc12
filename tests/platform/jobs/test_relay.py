"""The relay publishes due jobs in the transaction that marks them."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

import pytest

from app.config import Settings
from app.platform.db.session import Database
from app.platform.jobs import relay
from app.platform.jobs.broker import Delivery
from app.platform.jobs.models import JobState
from app.platform.jobs.relay import Relay
from tests.platform.jobs.brokers import Broker, RecordingPublisher
from tests.platform.jobs.rows import SOON, insert_job, row_of
from tests.support.outbox import outbox
from tests.support.server import PATIENCE

PAST = -timedelta(seconds=1)


class DelayedPublisher:
    """Calls `before`, and then publishes to the real broker."""

    def __init__(self, broker: Broker, before: Callable[[], object]) -> None:
        self._broker = broker
        self._before = before
        self.keys: list[UUID] = []

    async def publish(self, deliveries: Sequence[Delivery]) -> None:
        result = self._before()
        if asyncio.iscoroutine(result):
            await result
        self.keys += [each.key for each in deliveries]
        await self._broker.publish(deliveries)


@pytest.fixture
def publisher() -> RecordingPublisher:
    return RecordingPublisher()


@pytest.fixture
def subject(database: Database, publisher: RecordingPublisher, settings: Settings) -> Relay:
    return Relay(database, publisher, settings.jobs)


async def test_new_job_is_delivered_once(
    subject: Relay, publisher: RecordingPublisher, database: Database, settings: Settings
) -> None:
    key = await insert_job(database, "greet")
    assert [await subject.deliver_due(), await subject.deliver_due()] == [1, 0]
    assert publisher.published == [Delivery(key, "greet", 0)]
    row = await row_of(database, key)
    assert row.state == JobState.DELIVERED
    # the test is one transaction, so now() does not change
    assert row.due_at - row.created_at == timedelta(seconds=settings.jobs.redeliver_after)


@pytest.mark.parametrize("state", list(JobState))
async def test_job_that_is_not_due_is_not_delivered(
    subject: Relay, publisher: RecordingPublisher, database: Database, state: JobState
) -> None:
    await insert_job(database, state=state, due=SOON, attempts=1)
    before = (await outbox(database))[0].due_at
    assert await subject.deliver_due() == 0
    assert publisher.published == []
    assert [(row.state, row.due_at) for row in await outbox(database)] == [(state, before)]


@pytest.mark.parametrize("state", list(JobState))
async def test_due_job_is_delivered_in_every_state(
    subject: Relay, publisher: RecordingPublisher, database: Database, state: JobState
) -> None:
    key = await insert_job(database, state=state, due=PAST, attempts=3)
    assert await subject.deliver_due() == 1
    assert publisher.published == [Delivery(key, "sample", 3)]
    assert [(row.state, row.attempts) for row in await outbox(database)] == [(JobState.DELIVERED, 3)]


async def test_nothing_is_published_without_due_jobs(database: Database, settings: Settings) -> None:
    away = RecordingPublisher(failures=1)
    assert await Relay(database, away, settings.jobs).deliver_due() == 0


async def test_oldest_due_jobs_are_in_the_first_batch(
    subject: Relay, publisher: RecordingPublisher, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "BATCH", 2)
    latest, first, second = [await insert_job(database, due=PAST * age) for age in (1, 3, 2)]
    assert await subject.deliver_due() == 2
    assert set(publisher.keys) == {first, second}
    assert await subject.deliver_due() == 1
    assert publisher.keys[2:] == [latest]


async def test_job_that_the_broker_refused_stays_due(database: Database, settings: Settings) -> None:
    key = await insert_job(database)
    broker = RecordingPublisher(failures=1)
    subject = Relay(database, broker, settings.jobs)
    with pytest.raises(ConnectionError):
        await subject.deliver_due()
    assert (await row_of(database, key)).state == JobState.WAITING
    assert await subject.deliver_due() == 1
    assert broker.keys == [key]


@pytest.mark.commits
async def test_job_is_marked_after_it_is_published(database: Database, settings: Settings, broker: Broker) -> None:
    key = await insert_job(database)
    seen: list[str] = []

    async def look() -> None:
        seen.append((await row_of(database, key)).state)

    assert await Relay(database, DelayedPublisher(broker, look), settings.jobs).deliver_due() == 1
    assert seen == [JobState.WAITING]
    assert (await row_of(database, key)).state == JobState.DELIVERED
    assert await broker.depth() == 1


@pytest.mark.commits
async def test_only_one_of_two_relays_delivers_each_job(
    database: Database, settings: Settings, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "BATCH", 4)
    keys = [await insert_job(database) for _ in range(8)]
    both = asyncio.Barrier(2)
    brokers = [DelayedPublisher(broker, both.wait) for _ in range(2)]
    relays = [Relay(database, each, settings.jobs) for each in brokers]
    async with asyncio.timeout(PATIENCE):
        assert await asyncio.gather(*[each.deliver_due() for each in relays]) == [4, 4]
        assert await asyncio.gather(*[each.deliver_due() for each in relays]) == [0, 0]
    assert sorted(brokers[0].keys + brokers[1].keys) == sorted(keys)
    assert await broker.depth() == 8


@pytest.mark.commits
async def test_job_that_no_worker_started_in_time_is_delivered_again(
    database: Database, settings: Settings, publisher: RecordingPublisher
) -> None:
    subject = Relay(database, publisher, settings.jobs.model_copy(update={"redeliver_after": 0.001}))
    key = await insert_job(database)
    async with asyncio.timeout(PATIENCE):
        while len(publisher.published) < 3:
            await subject.deliver_due()
    assert publisher.keys == [key] * 3

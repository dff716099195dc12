"""The relay tells the broker of jobs that are due, each in the transaction that marks it."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

import pytest

from app.config import Settings
from app.platform.db.session import Database
from app.platform.jobs import relay
from app.platform.jobs.broker import Handover
from app.platform.jobs.models import JobState
from app.platform.jobs.relay import Relay
from tests.platform.jobs.brokers import Heard, Queue
from tests.platform.jobs.rows import SOON, put, row_of
from tests.support.outbox import outbox
from tests.support.server import PATIENCE

PAST = -timedelta(seconds=1)


class Watching:
    """Passes on what it is told, after something has happened."""

    def __init__(self, broker: Queue, before: Callable[[], object]) -> None:
        self._broker = broker
        self._before = before
        self.keys: list[UUID] = []

    async def push(self, handovers: Sequence[Handover]) -> None:
        happened = self._before()
        if asyncio.iscoroutine(happened):
            await happened
        self.keys += [each.key for each in handovers]
        await self._broker.push(handovers)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def subject(database: Database, heard: Heard, settings: Settings) -> Relay:
    return Relay(database, heard, settings.tasks)


async def test_new_job_is_handed_over_once(
    subject: Relay, heard: Heard, database: Database, settings: Settings
) -> None:
    key = await put(database, "greet")
    assert [await subject.hand_over(), await subject.hand_over()] == [1, 0]
    assert heard.told == [Handover(key, "greet", 0)]
    row = await row_of(database, key)
    assert row.state == JobState.HANDED_OVER
    # the test is one transaction, so there is one `now()`
    assert row.due_at - row.created_at == timedelta(seconds=settings.tasks.redeliver_after)


@pytest.mark.parametrize("state", list(JobState))
async def test_what_is_not_due_yet_is_left_alone(
    subject: Relay, heard: Heard, database: Database, state: JobState
) -> None:
    await put(database, state=state, due=SOON, attempts=1)
    before = (await outbox(database))[0].due_at
    assert await subject.hand_over() == 0
    assert heard.told == []
    assert [(row.state, row.due_at) for row in await outbox(database)] == [(state, before)]


@pytest.mark.parametrize("state", list(JobState))
async def test_what_was_lost_on_the_way_is_handed_over_again(
    subject: Relay, heard: Heard, database: Database, state: JobState
) -> None:
    key = await put(database, state=state, due=PAST, attempts=3)
    assert await subject.hand_over() == 1
    assert heard.told == [Handover(key, "sample", 3)]
    assert [(row.state, row.attempts) for row in await outbox(database)] == [(JobState.HANDED_OVER, 3)]


async def test_nobody_is_told_of_nothing(database: Database, settings: Settings) -> None:
    away = Heard(failures=1)
    assert await Relay(database, away, settings.tasks).hand_over() == 0


async def test_what_waits_for_longest_is_in_the_first_batch(
    subject: Relay, heard: Heard, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "BATCH", 2)
    latest, first, second = [await put(database, due=PAST * age) for age in (1, 3, 2)]
    assert await subject.hand_over() == 2
    assert set(heard.keys) == {first, second}
    assert await subject.hand_over() == 1
    assert heard.keys[2:] == [latest]


async def test_job_that_the_broker_did_not_take_stays_due(database: Database, settings: Settings) -> None:
    key = await put(database)
    broker = Heard(failures=1)
    subject = Relay(database, broker, settings.tasks)
    with pytest.raises(ConnectionError):
        await subject.hand_over()
    assert (await row_of(database, key)).state == JobState.WAITING
    assert await subject.hand_over() == 1
    assert broker.keys == [key]


@pytest.mark.commits
async def test_job_is_marked_when_the_broker_was_told_and_not_before(
    database: Database, settings: Settings, broker: Queue
) -> None:
    key = await put(database)
    seen: list[str] = []

    async def look() -> None:
        seen.append((await row_of(database, key)).state)

    assert await Relay(database, Watching(broker, look), settings.tasks).hand_over() == 1
    assert seen == [JobState.WAITING]
    assert (await row_of(database, key)).state == JobState.HANDED_OVER
    assert await broker.depth() == 1


@pytest.mark.commits
async def test_of_two_relays_at_once_one_hands_over_each_job(
    database: Database, settings: Settings, broker: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "BATCH", 4)
    keys = [await put(database) for _ in range(8)]
    both = asyncio.Barrier(2)
    brokers = [Watching(broker, both.wait) for _ in range(2)]
    relays = [Relay(database, each, settings.tasks) for each in brokers]
    async with asyncio.timeout(PATIENCE):
        assert await asyncio.gather(*[each.hand_over() for each in relays]) == [4, 4]
        assert await asyncio.gather(*[each.hand_over() for each in relays]) == [0, 0]
    assert sorted(brokers[0].keys + brokers[1].keys) == sorted(keys)
    assert await broker.depth() == 8


@pytest.mark.commits
async def test_job_is_handed_over_again_when_nobody_began_it_in_time(
    database: Database, settings: Settings, heard: Heard
) -> None:
    subject = Relay(database, heard, settings.tasks.model_copy(update={"redeliver_after": 0.001}))
    key = await put(database)
    async with asyncio.timeout(PATIENCE):
        while len(heard.told) < 3:
            await subject.hand_over()
    assert heard.keys == [key] * 3

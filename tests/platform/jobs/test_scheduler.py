"""Each slot of a schedule is fired once, however many workers there are."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Engine, func, insert, select
from structlog.testing import capture_logs

from app.config import Settings
from app.platform.db.listen import listening
from app.platform.db.session import Database
from app.platform.jobs import scheduler
from app.platform.jobs.job import Job
from app.platform.jobs.models import JobSchedule
from app.platform.jobs.outbox import CHANNEL
from app.platform.jobs.registry import Schedule
from app.platform.jobs.scheduler import Scheduler
from tests.platform.jobs.rows import cut_connections, running, waiting_for_locks
from tests.support.outbox import outbox
from tests.support.server import PATIENCE
from tests.support.sql import recorded_statements

MINUTE = timedelta(minutes=1)
NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def schedule(job: Job) -> Schedule:
    return Schedule(job, every=5 * MINUTE)


async def fire_at(database: Database, schedule: Schedule, *times: datetime) -> list[bool]:
    """Run one scheduler at these times, and return whether each time it fired."""
    subject = Scheduler(database, [schedule])
    return [await subject.fire_if_due(schedule, time) for time in times]


async def enqueued(database: Database) -> list[str]:
    return [row.job for row in await outbox(database)]


async def insert_slots(database: Database, schedules: Sequence[Schedule], slot: datetime) -> None:
    """Record that the schedules were fired at this time."""
    rows = [{"name": schedule.job.name, "slot": slot} for schedule in schedules]
    async with database.transaction() as session:
        await session.execute(insert(JobSchedule), rows)


@pytest.mark.parametrize(
    ("every", "offset", "now", "slot"),
    [
        (5 * MINUTE, timedelta(), NOON, NOON),
        (5 * MINUTE, timedelta(), NOON + 5 * MINUTE - timedelta(microseconds=1), NOON),
        (5 * MINUTE, timedelta(), NOON + 5 * MINUTE, NOON + 5 * MINUTE),
        (5 * MINUTE, 2 * MINUTE, NOON, NOON - 3 * MINUTE),
        (timedelta(days=1), timedelta(hours=3), NOON, NOON - timedelta(hours=9)),
        (timedelta(days=1), timedelta(hours=13), NOON, NOON - timedelta(hours=23)),
        (timedelta(days=1), timedelta(days=7, hours=3), NOON, NOON - timedelta(hours=9)),
    ],
)
def test_slots_are_counted_from_midnight_and_offset(
    every: timedelta, offset: timedelta, now: datetime, slot: datetime
) -> None:
    assert Schedule(Job("sample"), every, offset).slot(now) == slot


async def test_new_schedule_starts_with_its_next_slot(database: Database, schedule: Schedule) -> None:
    assert await fire_at(database, schedule, NOON + MINUTE, NOON + 4 * MINUTE) == [False, False]
    assert await enqueued(database) == []


async def test_each_slot_is_fired_once(database: Database, schedule: Schedule) -> None:
    times = [NOON + number * MINUTE for number in range(16)]
    fired = await fire_at(database, schedule, *times)
    assert [number for number, did in enumerate(fired) if did] == [5, 10, 15]
    assert await enqueued(database) == [schedule.job.name] * 3
    assert REGISTRY.get_sample_value("job_schedules_fired_total", {"job": schedule.job.name}) == 3


async def test_slots_missed_without_a_worker_are_fired_once(database: Database, schedule: Schedule) -> None:
    await fire_at(database, schedule, NOON)
    later = NOON + timedelta(days=3)
    assert await fire_at(database, schedule, later, later + MINUTE, later + 5 * MINUTE) == [True, False, True]
    assert len(await outbox(database)) == 2


async def test_worker_with_a_slow_clock_does_not_fire_again(database: Database, schedule: Schedule) -> None:
    await fire_at(database, schedule, NOON, NOON + 5 * MINUTE)
    assert await fire_at(database, schedule, NOON + MINUTE, NOON + 6 * MINUTE) == [False, False]
    assert len(await outbox(database)) == 1


async def test_schedules_are_independent(database: Database, schedule: Schedule) -> None:
    other = Schedule(Job("other"), every=MINUTE)
    subject = Scheduler(database, [schedule, other])
    fired = [await subject.fire_if_due(each, NOON + n * MINUTE) for n in range(3) for each in (schedule, other)]
    assert fired == [False, False, False, True, False, True]
    assert await enqueued(database) == ["other", "other"]


async def test_no_query_runs_between_slots(database: Database, schedule: Schedule, sql_engine: Engine) -> None:
    hourly = Schedule(schedule.job, every=60 * MINUTE)
    subject = Scheduler(database, [schedule, hourly])
    for start in (NOON, NOON + 5 * MINUTE):
        for each in (schedule, hourly):
            await subject.fire_if_due(each, start)
        with recorded_statements(sql_engine) as statements:
            for minutes in range(5):
                for each in (schedule, hourly):
                    assert not await subject.fire_if_due(each, start + minutes * MINUTE)
        assert statements == []


def test_slots_need_a_time_between_them() -> None:
    with pytest.raises(ValueError, match="the schedule of sample needs a time between two slots"):
        Schedule(Job("sample"), every=timedelta())


@pytest.mark.commits
async def test_slot_is_fired_later_when_its_job_was_not_committed(
    database: Database, schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    subject = Scheduler(database, [schedule])
    await subject.fire_if_due(schedule, NOON)
    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(scheduler, "enqueue", fail)
        await subject.fire_if_due(schedule, NOON + 5 * MINUTE)
    assert await subject.fire_if_due(schedule, NOON + 5 * MINUTE)
    assert len(await outbox(database)) == 1


@pytest.mark.commits
@pytest.mark.parametrize("restarted", [False, True])
async def test_only_one_of_many_workers_fires(database: Database, schedule: Schedule, restarted: bool) -> None:
    await insert_slots(database, [schedule], NOON)
    workers = [Scheduler(database, [schedule]) for _ in range(4)]
    if not restarted:
        assert not any([await each.fire_if_due(schedule, NOON) for each in workers])
    async with asyncio.timeout(PATIENCE), database.transaction() as session:
        await session.execute(select(JobSchedule).with_for_update())
        firing = [asyncio.create_task(each.fire_if_due(schedule, NOON + 5 * MINUTE)) for each in workers]
        await waiting_for_locks(database, len(workers))
    assert sorted(await asyncio.gather(*firing)) == [False, False, False, True]
    assert len(await outbox(database)) == 1
    async with database.read() as session:
        assert (await session.scalars(select(JobSchedule.slot))).all() == [NOON + 5 * MINUTE]


@pytest.mark.commits
async def test_schedules_fire_when_the_database_is_back(
    database: Database, settings: Settings, schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "PRECISION", 0.01)
    lost = Database(settings.database)
    await lost.init()
    await lost.ping()
    await cut_connections(settings)
    other = Schedule(Job("other"), every=MINUTE)
    await insert_slots(database, [schedule, other], NOON - timedelta(days=10_000))
    async with (
        asyncio.timeout(PATIENCE),
        listening(database.engine, CHANNEL) as wait,
        running(Scheduler(lost, [schedule, other]).run()),
    ):
        while len(await outbox(database)) < 2:
            await wait(PATIENCE)
    assert sorted(await enqueued(database)) == ["other", schedule.job.name]
    await lost.close()


async def test_times_are_those_of_the_database(
    database: Database, schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", NOON.timestamp)
    subject = Scheduler(database, [schedule])
    async with database.read() as session:
        before = (await session.scalars(select(func.clock_timestamp()))).one()
        now = await subject.now()
        after = (await session.scalars(select(func.clock_timestamp()))).one()
    assert before <= now <= after
    assert now <= await subject.now() < after + MINUTE


async def test_slot_of_a_wrong_clock_does_not_silence_a_schedule(database: Database, schedule: Schedule) -> None:
    await insert_slots(database, [schedule], NOON + 30 * 24 * 60 * MINUTE)
    assert await fire_at(database, schedule, NOON, NOON + MINUTE, NOON + 5 * MINUTE) == [True, False, True]


@pytest.mark.commits
async def test_schedule_that_always_fails_silences_no_other(
    database: Database, schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    # longer than the column of names
    broken = [Schedule(Job(f"{each:101}"), every=MINUTE) for each in range(2)]
    await insert_slots(database, [schedule], NOON - timedelta(days=9_000))
    monkeypatch.setattr(scheduler, "PRECISION", 0.01)
    with capture_logs() as logs:
        async with running(Scheduler(database, [*broken, schedule]).run()), asyncio.timeout(PATIENCE):
            while not await enqueued(database):  # noqa: ASYNC110 (the server sends no event)
                await asyncio.sleep(0.01)
    assert await enqueued(database) == [schedule.job.name]
    assert "scheduler_interrupted" in {each["event"] for each in logs}

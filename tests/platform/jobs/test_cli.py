"""The actions of `python -m app jobs`."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func

from app.platform.db.session import Database
from app.platform.jobs import cli
from app.platform.jobs.cli import DeadLetterNotFound
from app.platform.jobs.models import JobState
from tests.platform.jobs.rows import dead_letters, insert_dead_letter, insert_job
from tests.support.outbox import outbox

Act = Callable[..., Awaitable[str]]

DAY = timedelta(days=1)


async def run_action(database: Database, action: str, *ids: UUID, age: timedelta = timedelta()) -> str:
    return await cli.act(database, action, ids, age)


@pytest.fixture
def act(database: Database) -> Act:
    return partial(run_action, database)


async def ids_of_dead_letters(database: Database) -> set[UUID]:
    return {row.id for row in await dead_letters(database)}


async def test_unfinished_jobs_are_counted_by_name_and_state(act: Act, database: Database) -> None:
    assert await act("waiting") == "no unfinished jobs"
    for job, state in (("b", JobState.WAITING), ("a", JobState.RUNNING), ("a", JobState.RUNNING)):
        await insert_job(database, job, state)
    await insert_job(database, "a", JobState.DELIVERED)
    since = f"{(await outbox(database))[0].created_at:%Y-%m-%d %H:%M:%S}"
    assert (await act("waiting")).splitlines() == [
        f"a handed_over 1, since {since}",
        f"a running 2, since {since}",
        f"b waiting 1, since {since}",
    ]


async def test_dead_letters_are_listed_oldest_first_with_the_first_line_of_their_error(
    act: Act, database: Database
) -> None:
    assert await act("dead") == "no dead letters"
    new = await insert_dead_letter(
        database, "greet", arguments={"name": "Ada"}, error="LookupError: no luck\nmore of it"
    )
    old = await insert_dead_letter(database, "leave", 2 * DAY, error=None, attempts=12)
    died = {row.id: f"{row.died_at:%Y-%m-%d %H:%M:%S}" for row in await dead_letters(database)}
    assert (await act("dead")).splitlines() == [
        f"{old} {died[old]} leave {{}} after 12: ",
        f"{new} {died[new]} greet {{'name': 'Ada'}} after 3: LookupError: no luck",
    ]
    assert (await act("dead", age=DAY)).split()[0] == str(old)
    assert len((await act("dead", age=DAY)).splitlines()) == 1


async def test_replayed_job_waits_as_if_newly_enqueued(act: Act, database: Database) -> None:
    known: dict[str, Any] = {"arguments": {"name": "Ada"}, "request_id": "request-1"}
    key = await insert_dead_letter(
        database, "greet", **known, error="no luck", attempts=12, created_at=func.now() - DAY
    )
    (was,) = await dead_letters(database)
    assert await act("replay") == "1 to be tried again"
    (row,) = await outbox(database)
    assert (row.id, row.job, row.arguments, row.request_id) == (key, "greet", {"name": "Ada"}, "request-1")
    assert (row.state, row.attempts, row.error, row.worker) == (JobState.WAITING, 0, None, None)
    assert row.created_at == was.created_at + DAY, "enqueued now"
    assert await dead_letters(database) == []


async def test_replay_without_dead_letters_is_no_error(act: Act, database: Database) -> None:
    assert await act("replay") == "0 to be tried again"
    assert await outbox(database) == []


async def test_only_named_dead_letters_are_replayed(act: Act, database: Database) -> None:
    first, second, third = [await insert_dead_letter(database) for _ in range(3)]
    assert await act("replay", first, third) == "2 to be tried again"
    assert {row.id for row in await outbox(database)} == {first, third}
    assert await ids_of_dead_letters(database) == {second}


async def test_dead_letters_younger_than_the_limit_are_kept(act: Act, database: Database) -> None:
    old, older, new = [await insert_dead_letter(database, age=age) for age in (2 * DAY, 3 * DAY, timedelta())]
    assert await act("replay", age=2.5 * DAY) == "1 to be tried again"
    assert [row.id for row in await outbox(database)] == [older]
    assert await act("purge", age=DAY) == "1 deleted"
    assert await ids_of_dead_letters(database) == {new}
    assert old != new


async def test_purged_dead_letters_are_deleted(act: Act, database: Database) -> None:
    first, second, third = [await insert_dead_letter(database) for _ in range(3)]
    assert await act("purge", second) == "1 deleted"
    assert await ids_of_dead_letters(database) == {first, third}
    assert await act("purge") == "2 deleted"
    assert await ids_of_dead_letters(database) == set()
    assert await outbox(database) == []


@pytest.mark.commits
@pytest.mark.parametrize("action", ["replay", "purge"])
async def test_unknown_id_changes_nothing(act: Act, database: Database, action: str) -> None:
    known, unknown = await insert_dead_letter(database), uuid4()
    with pytest.raises(DeadLetterNotFound, match=f"no dead letter has the id {unknown}; nothing was changed"):
        await act(action, known, unknown)
    assert await ids_of_dead_letters(database) == {known}
    assert await outbox(database) == []


@pytest.mark.commits
async def test_named_dead_letter_younger_than_the_limit_is_unknown(act: Act, database: Database) -> None:
    key = await insert_dead_letter(database)
    with pytest.raises(DeadLetterNotFound, match=str(key)):
        await act("purge", key, age=DAY)
    assert await ids_of_dead_letters(database) == {key}

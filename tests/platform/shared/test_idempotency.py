"""Requests with the same key take effect once, and get the same answer."""

import asyncio
import hashlib
from datetime import date
from decimal import Decimal
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel
from sqlalchemy import func, select

from app.platform.db.session import Database
from app.platform.idempotency import Claim, IdempotencyKey, IdempotencyKeyReused, claim_key, keep_answer

ADA, BOB = UUID(int=1), UUID(int=2)


class Body(BaseModel):
    text: str = "hello"


class Answer(BaseModel):
    number: UUID


async def answer(database: Database, claim: Claim | None, *, fail: bool = False) -> Answer:
    async with database.transaction() as session:
        if earlier := await claim_key(session, claim, Answer):
            return earlier
        # gives another request time to start
        await asyncio.sleep(0.05)
        if fail:
            raise ZeroDivisionError
        given = Answer(number=uuid4())
        await keep_answer(session, claim, given)
        return given


def claim(user: UUID = ADA, key: str = "one", operation: str = "greet", text: str = "hello") -> Claim:
    return Claim.of(user, key, operation, Body(text=text))


async def test_claimed_request_is_answered_as_the_first_time(database: Database) -> None:
    first = await answer(database, claim())
    assert await answer(database, claim()) == first


@pytest.mark.parametrize("other", [None, claim(BOB), claim(key="two")])
async def test_other_requests_take_effect_too(database: Database, other: Claim | None) -> None:
    assert await answer(database, claim()) != await answer(database, other)


@pytest.mark.parametrize("other", [claim(text="bye"), claim(operation="leave")])
async def test_key_of_another_request_is_refused(database: Database, other: Claim) -> None:
    await answer(database, claim())
    with pytest.raises(IdempotencyKeyReused):
        await answer(database, other)


async def test_failed_request_does_not_use_up_its_key(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        await answer(database, claim(), fail=True)
    async with database.read() as session:
        assert await session.scalar(select(func.count()).select_from(IdempotencyKey)) == 0
    await answer(database, claim())


@pytest.mark.commits
async def test_concurrent_requests_with_a_key_have_one_effect(database: Database) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(answer(database, claim())) for _ in range(5)]
    assert len({task.result().number for task in tasks}) == 1


class Labelled(BaseModel):
    labels: frozenset[int]
    parts: dict[str, list[set[int]]]
    day: date = date(2030, 1, 31)
    amount: Decimal = Decimal("1.50")
    zone: ZoneInfo = ZoneInfo("UTC")


def test_order_of_a_set_does_not_make_another_request() -> None:
    # numbers with the same hash slot keep their order of insertion
    one, other = (Labelled(labels=frozenset(way), parts={"a": [set(way)]}) for way in ([0, 8], [8, 0]))
    assert one.model_dump_json() != other.model_dump_json()
    assert Claim.of(ADA, "one", "label", one) == Claim.of(ADA, "one", "label", other)
    more = Labelled(labels=frozenset([0, 8, 16]), parts={"a": [{0, 8}]})
    assert Claim.of(ADA, "one", "label", one) != Claim.of(ADA, "one", "label", more)


def test_keys_of_earlier_releases_stay_valid() -> None:
    body = Body(text='größer " than ever')
    digest = hashlib.sha256(f"greet\n{body.model_dump_json()}".encode()).hexdigest()
    assert Claim.of(ADA, "one", "greet", body).request_digest == digest

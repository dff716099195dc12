"""A test's GET that runs a statement for each row fails, and shows what was sent from where."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2 as httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import SecretStr
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, joinedload, selectinload

from app.dependencies import ServicesDep
from app.features.users.schemas import UserCreate, UserRead
from app.platform.db.pagination import PageRequest
from app.platform.db.session import Database
from app.platform.http.lifespan import State
from app.services import Services
from tests.platform.support.scratch import ScratchChild, ScratchParent, create_tables, parent
from tests.support import repetitions
from tests.support.client import PASSWORD, client_of

Answer = Callable[[Database], Awaitable[object]]
Get = Callable[[Answer], Awaitable[httpx.Response]]


@pytest.fixture
async def get(database: Database, state: State) -> AsyncIterator[Get]:
    """Yield a function that sends a GET to a route, which answers on two parents with two children each."""
    await create_tables(database)
    async with database.transaction() as session:
        session.add_all([parent("a"), parent("b")])

    app = FastAPI()
    answers: list[Answer] = []

    @app.get("/rows")
    async def rows(request: Request) -> object:
        return await answers[-1](request.state.resources.database)

    async with client_of(app, state) as client:

        async def send(answer: Answer) -> httpx.Response:
            answers.append(answer)
            return await client.get("/rows")

        yield send


async def names(session: AsyncSession) -> list[ScratchParent]:
    return list(await session.scalars(select(ScratchParent)))


async def one_by_one(database: Database) -> object:
    async with database.read() as session:
        return [await count_children(session, each) for each in await names(session)]


async def count_children(session: AsyncSession, of: ScratchParent) -> int:
    query = select(func.count()).select_from(ScratchChild).where(ScratchChild.parent_id == of.id)
    return await session.scalar(query) or 0


async def sessions_of_their_own(database: Database) -> object:
    async with database.read() as session:
        found = await names(session)
    counts = []
    for each in found:
        async with database.read() as session:
            counts.append(await count_children(session, each))
    return counts


async def lists_of_different_lengths(database: Database) -> object:
    async with database.read() as session:
        found = await names(session)
        for count in (1, 2):
            ids = [each.id for each in found[:count]]
            await session.scalars(select(ScratchChild).where(ScratchChild.parent_id.in_(ids)))
    return None


async def lazily(database: Database) -> object:
    def load(session: Session) -> list[int]:
        # what lazy="select" does at each access
        return [len(session.scalars(select(ScratchChild).filter_by(parent_id=each.id)).all()) for each in found]

    async with database.read() as session:
        found = await names(session)
        return await session.run_sync(load)


async def refreshed(database: Database) -> object:
    async with database.transaction() as session:
        for each in await names(session):
            await session.refresh(each, ["children"])
    return None


@pytest.mark.parametrize("answer", [one_by_one, sessions_of_their_own, lists_of_different_lengths, lazily, refreshed])
async def test_statement_for_each_row_fails(get: Get, answer: Answer) -> None:
    with pytest.raises(AssertionError) as failed:
        await get(answer)
    message = str(failed.value)
    assert message.startswith("GET /rows ran the same statement 2 times from the same place:\n  SELECT ")
    assert "tests/platform/shared/test_repetitions.py:" in message
    assert " FROM scratch_" in message
    assert f", in {answer.__name__}" in message


async def with_selectin(database: Database) -> object:
    async with database.read() as session:
        query = select(ScratchParent).options(selectinload(ScratchParent.children))
        return [len(each.children) for each in await session.scalars(query)]


async def joined(database: Database) -> object:
    async with database.read() as session:
        query = select(ScratchParent).options(joinedload(ScratchParent.children))
        return [len(each.children) for each in (await session.scalars(query)).unique()]


async def twice_on_purpose(database: Database) -> object:
    async with database.read() as session:
        first = (await names(session), await names(session))
        return [len(each) for each in (*first, await names(session))]


async def fixed_loop(database: Database) -> object:
    async with database.read() as session:
        return [
            await session.scalar(select(func.count()).select_from(ScratchParent).where(ScratchParent.name == name))
            for name in "abc"
        ]


@pytest.mark.parametrize("answer", [with_selectin, joined, twice_on_purpose, fixed_loop])
async def test_number_of_statements_that_does_not_grow_passes(get: Get, answer: Answer) -> None:
    assert (await get(answer)).status_code == 200


async def long_loop(database: Database) -> object:
    async with database.read() as session:
        return [
            await session.scalar(select(func.count()).select_from(ScratchParent).where(ScratchParent.name == name))
            for name in "abcd"
        ]


async def test_loop_over_what_no_statement_returned_has_a_bound(get: Get) -> None:
    with pytest.raises(AssertionError, match="4 times from the same place"):
        await get(long_loop)


async def test_service_called_for_each_row_fails(app: FastAPI, client: httpx.AsyncClient, services: Services) -> None:
    for name in ("ada", "bob"):
        await services.users.create(UserCreate(email=f"{name}@example.com", password=SecretStr(PASSWORD)))

    @app.get("/one-by-one")
    async def one_by_one(services: ServicesDep) -> list[UserRead]:
        page = await services.users.page(PageRequest())
        return [await services.users.get(each.id) for each in page.items]

    with pytest.raises(AssertionError) as failed:
        await client.get("/one-by-one")
    calls = str(failed.value).splitlines()[2:-1]
    assert re.fullmatch(r"  src/app/features/users/\w+\.py:\d+, in \w+", calls[0])
    assert "test_repetitions.py" in calls[-1]


@pytest.mark.many_statements("counts each parent by itself, to show that it may")
async def test_marked_test_may(get: Get) -> None:
    assert (await get(one_by_one)).json() == [2, 2]


def test_mark_needs_a_reason() -> None:
    with pytest.raises(AssertionError, match="say why"), repetitions.refused(pytest.mark.many_statements.mark):
        pass

"""Work that waits for the end of a transaction is not done when the transaction was rolled back."""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.db.afterwards import after_transaction
from app.platform.db.session import Database
from tests.platform.db.test_session import user

Step = Callable[[AsyncSession], Awaitable[None]]

# it is checked at the commit
DEFERRED = """
    CREATE TEMPORARY TABLE parts (whole int REFERENCES pg_temp.parts (id) DEFERRABLE INITIALLY DEFERRED, id int UNIQUE)
"""


async def nothing(session: AsyncSession) -> None:
    """Leave the session alone."""


async def write(session: AsyncSession) -> None:
    session.add(user())


async def violate_a_constraint(session: AsyncSession) -> None:
    session.add_all([user("bob@example.com"), user("bob@example.com")])


async def violate_a_deferred_constraint(session: AsyncSession) -> None:
    await session.execute(text(DEFERRED))
    await session.execute(text("INSERT INTO parts (whole) VALUES (1)"))


async def go_on_after_an_error(session: AsyncSession) -> None:
    with suppress(DBAPIError):
        await session.execute(text("SELECT 1 / 0"))


async def fail(session: AsyncSession) -> None:
    await session.execute(text("SELECT 1"))
    raise ZeroDivisionError


async def commit_and_fail(session: AsyncSession) -> None:
    session.add(user("eve@example.com"))
    await session.commit()
    raise ZeroDivisionError


CASES: list[tuple[str, Step, type[Exception] | None, bool]] = [
    ("transaction", nothing, None, True),
    ("transaction", write, None, True),
    ("transaction", fail, ZeroDivisionError, False),
    ("transaction", violate_a_constraint, DBAPIError, False),
    ("transaction", violate_a_deferred_constraint, DBAPIError, False),
    ("transaction", go_on_after_an_error, RuntimeError, False),
    ("get_session", commit_and_fail, ZeroDivisionError, True),
    ("get_session", fail, ZeroDivisionError, True),
    ("primary", fail, ZeroDivisionError, True),
    ("read", fail, ZeroDivisionError, True),
    ("read", nothing, None, True),
]


@pytest.mark.commits
async def test_work_is_done_unless_the_transaction_was_rolled_back(database: Database) -> None:
    """Outside of `transaction()` nobody knows what a block has committed before it failed."""
    for kind, step, error, is_done in CASES:
        done: list[str] = []

        async def work(done: list[str] = done) -> None:
            done.append("work")

        with pytest.raises(error) if error else nullcontext():
            async with getattr(database, kind)() as session:
                after_transaction(session, work)
                await step(session)
        assert done == ["work"] * is_done, (kind, step)

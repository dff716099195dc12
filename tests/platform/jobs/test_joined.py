"""A transaction that several services share is committed by whoever opened it, and by nobody else."""

import pytest
from sqlalchemy import select

from app.features.users.models import User
from app.platform.db.session import Database, SessionProvider
from app.platform.db.shared import SharedTransaction

pytestmark = pytest.mark.commits


def user(name: str) -> User:
    return User(email=f"{name}@example.com", password_hash="x")


async def add(provider: SessionProvider, name: str) -> None:
    """What a service method does."""
    async with provider.transaction() as session:
        session.add(user(name))


async def names(provider: SessionProvider) -> list[str]:
    async with provider.read() as session:
        return [email.split("@")[0] for email in await session.scalars(select(User.email).order_by(User.email))]


async def test_joined_work_is_seen_inside_and_committed_at_the_end(database: Database) -> None:
    async with database.transaction() as session:
        joined = SharedTransaction(session)
        await add(joined, "ada")
        await add(joined, "bob")
        assert await names(joined) == ["ada", "bob"]
        assert await names(database) == []
    assert await names(database) == ["ada", "bob"]


async def test_joined_work_is_rolled_back_with_the_transaction(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as session:
            await add(SharedTransaction(session), "ada")
            raise ZeroDivisionError
    assert await names(database) == []


async def test_autoflush_is_up_to_the_caller(database: Database) -> None:
    async with database.transaction() as session:
        joined = SharedTransaction(session)
        async with joined.transaction(autoflush=False) as same:
            assert same is session
            same.add(user("ada"))
            assert (await same.scalars(select(User))).all() == []
        assert await names(joined) == ["ada"]

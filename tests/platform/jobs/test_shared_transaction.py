"""A transaction that several services share is committed only by the block that opened it."""

import pytest
from sqlalchemy import select

from app.features.users.models import User
from app.platform.db.session import Database, SessionProvider
from app.platform.db.shared import SharedTransaction

pytestmark = pytest.mark.commits


def user(name: str) -> User:
    return User(email=f"{name}@example.com", password_hash="x")


async def add(provider: SessionProvider, name: str) -> None:
    """Do what a service method does."""
    async with provider.transaction() as session:
        session.add(user(name))


async def names(provider: SessionProvider) -> list[str]:
    async with provider.read() as session:
        return [email.split("@")[0] for email in await session.scalars(select(User.email).order_by(User.email))]


async def test_shared_changes_are_visible_inside_and_committed_at_the_end(database: Database) -> None:
    async with database.transaction() as session:
        shared = SharedTransaction(session)
        await add(shared, "ada")
        await add(shared, "bob")
        assert await names(shared) == ["ada", "bob"]
        assert await names(database) == []
    assert await names(database) == ["ada", "bob"]


async def test_shared_changes_are_rolled_back_with_the_transaction(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as session:
            await add(SharedTransaction(session), "ada")
            raise ZeroDivisionError
    assert await names(database) == []


async def test_autoflush_can_be_switched_off(database: Database) -> None:
    async with database.transaction() as session:
        shared = SharedTransaction(session)
        async with shared.transaction(autoflush=False) as same:
            assert same is session
            same.add(user("ada"))
            assert (await same.scalars(select(User))).all() == []
        assert await names(shared) == ["ada"]

"""The queries for users."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from sqlalchemy import func

from app.features.users.models import User
from app.features.users.repository import UserRepository
from app.platform.db.session import Database


@pytest.fixture
async def users(database: Database) -> AsyncIterator[UserRepository]:
    async with database.transaction() as session:
        yield UserRepository(session)


async def test_user_is_found_by_id_and_by_address(users: UserRepository) -> None:
    user = await users.add(User(email="ada@example.com", password_hash=""))
    assert await users.find(user.id) is user
    assert await users.find_by_email("Ada@Example.com") is user
    assert await users.find(uuid4()) is None
    assert await users.find_by_email("eve@example.com") is None


async def test_deleted_user_is_not_found(users: UserRepository) -> None:
    user = await users.add(User(email="ada@example.com", password_hash="", deleted_at=func.now()))
    assert await users.find(user.id) is None
    assert await users.find_by_email(user.email) is None
    assert await users.count() == 0
    assert await users.with_deleted().count() == 1

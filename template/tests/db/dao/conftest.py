"""A DAO of its own for these tests."""

import pytest

from app.db.dao.base import BaseDAO
from app.db.session import Database
from app.users.models import User


class UserRows(BaseDAO[User]):
    """All users, whatever the feature says about them."""

    model = User


@pytest.fixture
def users(database: Database) -> BaseDAO[User]:
    """Access to the table of users."""
    return UserRows(database)

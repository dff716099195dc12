"""A DAO of its own for these tests."""

import pytest

from app.db.dao.base import BaseDAO
from app.db.session import Database
from app.users.models import User
from tests.db.dao.users import Users


@pytest.fixture
def users(database: Database) -> BaseDAO[User]:
    """Access to the table of users."""
    return Users(database)

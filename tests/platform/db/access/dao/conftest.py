"""A DAO for these tests."""

import pytest

from app.features.users.models import User
from app.platform.db.dao.base import BaseDAO
from app.platform.db.session import Database
from tests.platform.db.access.dao.users import Users


@pytest.fixture
def users(database: Database) -> BaseDAO[User]:
    """Return a DAO for the table of users."""
    return Users(database)

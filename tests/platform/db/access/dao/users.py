"""A DAO for all users, deleted ones included, and an exception for these tests."""

from app.features.users.models import User
from app.platform.db.dao.base import BaseDAO


class Users(BaseDAO[User]):
    """A DAO for the table of users."""

    model = User

    async def insert(self, *emails: str) -> None:
        """Insert a user for each address."""
        await self.insert_rows({"email": email, "password_hash": ""} for email in emails)


class Refused(Exception):
    """Raised by steps in these tests."""

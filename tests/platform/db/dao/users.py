"""All users, whatever the feature says about them."""

from app.features.users.models import User
from app.platform.db.dao.base import BaseDAO


class Users(BaseDAO[User]):
    """The table of users."""

    model = User

    async def insert(self, *emails: str) -> None:
        """Insert a user for each address."""
        await self.insert_rows({"email": email, "password_hash": ""} for email in emails)


class Refused(Exception):
    """What a step of these tests raises."""

"""The queries for users."""

from uuid import UUID

from sqlalchemy import select

from app.db.repository import AsyncRepository
from app.users.models import User


class UserRepository(AsyncRepository[User]):
    """Users that are not deleted."""

    model = User

    async def find(self, user_id: UUID) -> User | None:
        """The user with this id."""
        return await self._session.scalar(select(User).where(User.id == user_id, User.is_live()))

    async def find_by_email(self, email: str) -> User | None:
        """The user with this address; addresses are kept in lower case."""
        query = select(User).where(User.email == email.lower(), User.is_live())
        return await self._session.scalar(query)

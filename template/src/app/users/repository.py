"""The queries for users."""

from uuid import UUID

from sqlalchemy import bindparam, select

from app.db.repository import AsyncRepository
from app.users.models import User

# built once: it is on the path of most requests
_BY_ID = select(User).where(User.id == bindparam("user_id"), User.is_live())


class UserRepository(AsyncRepository[User]):
    """Users that are not deleted."""

    model = User

    async def find(self, user_id: UUID) -> User | None:
        """The user with this id."""
        return await self._session.scalar(_BY_ID, {"user_id": user_id})

    async def find_by_email(self, email: str) -> User | None:
        """The user with this address; addresses are kept in lower case."""
        query = select(User).where(User.email == email.lower(), User.is_live())
        return await self._session.scalar(query)

"""The queries for users."""

from uuid import UUID

from sqlalchemy import bindparam, select

from app.features.users.models import User
from app.features.users.schemas import UserRead
from app.platform.db.repository import AsyncRepository

# built once, because every request that changes something runs this query
_IS_ADMIN = select(User.is_admin).where(User.id == bindparam("user_id"), User.is_live(), User.is_active)


class UserRepository(AsyncRepository[User]):
    """Users that are not deleted."""

    model = User

    async def find(self, user_id: UUID) -> User | None:
        """Return the user with this id, to change it."""
        return await self._session.scalar(self._select(User.id == user_id))

    async def show(self, user_id: UUID) -> UserRead | None:
        """Return the user with this id, to show it."""
        return await self.read(UserRead).filter(id=user_id).one_or_none()

    async def is_admin(self, user_id: UUID) -> bool | None:
        """Return whether an active user is an administrator; `None` when there is no active user with this id."""
        return await self._session.scalar(_IS_ADMIN, {"user_id": user_id})

    async def find_by_email(self, email: str) -> User | None:
        """Return the user with this email address, in upper or lower case."""
        return await self._session.scalar(self._select(User.email == email.lower()))

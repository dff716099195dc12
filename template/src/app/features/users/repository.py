"""The queries for users."""

from uuid import UUID

from app.features.users.models import User
from app.features.users.schemas import Rights, UserRead
from app.platform.db.repository import AsyncRepository


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
        found = await self.read(Rights).filter(id=user_id, is_active=True).one_or_none()
        return found.is_admin if found else None

    async def find_by_email(self, email: str) -> User | None:
        """Return the user with this email address, in upper or lower case."""
        return await self._session.scalar(self._select(User.email == email.lower()))

"""The queries for users."""

from typing import Any
from uuid import UUID

from app.features.users.models import User
from app.features.users.schemas import Rights, UserRead
from app.platform.db.dao.base import BaseDAO
from app.platform.db.dao.filters import Condition
from app.platform.db.pagination import Page, PageRequest


class UserDAO(BaseDAO[User]):
    """Users that are not deleted."""

    model = User

    async def find(self, user_id: UUID) -> User | None:
        """Return the user with this id, with the password's hash."""
        return await self.querier.filter(id=user_id).one_or_none()

    async def show(self, user_id: UUID) -> UserRead | None:
        """Return the user with this id, to show it."""
        return await self.querier.as_(UserRead).filter(id=user_id).one_or_none()

    async def is_admin(self, user_id: UUID) -> bool | None:
        """Return whether an active user is an administrator; `None` when there is no active user with this id."""
        found = await self.querier.as_(Rights).filter(id=user_id, is_active=True).one_or_none()
        return found.is_admin if found else None

    async def find_by_email(self, email: str) -> User | None:
        """Return the user with this email address, in upper or lower case."""
        return await self.querier.filter(email=email.lower()).one_or_none()

    async def page(self, request: PageRequest) -> Page[UserRead]:
        """Return one page of all users, newest first."""
        return await self.querier.as_(UserRead).page(request)

    async def update(self, who: Condition, **values: Any) -> User | None:
        """Change the user who meets the condition, in one statement; return the user, or `None` if none meets it."""
        changed = await self.updater.where(who).values(**values).returning().execute()
        return next(iter(changed), None)

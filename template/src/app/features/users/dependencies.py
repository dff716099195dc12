"""The caller's account, for the routes of users; other features use `app.platform.auth.dependencies`."""

from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from app.dependencies import get_services
from app.features.users.schemas import UserRead
from app.platform.auth.dependencies import CallerDependency
from app.platform.db.replicas import reading_from
from app.platform.errors import Forbidden, NotAuthenticated


class _ActiveUser(CallerDependency):
    async def __call__(self, connection: HTTPConnection) -> UserRead:
        """Return the caller's current account; refuse a deactivated account although its token is still valid."""
        services = await get_services(connection)
        # a replica may not know yet that the account is closed
        with reading_from("primary"):
            user = await services.users.find(self.user_id())
        if user is None or not user.is_active:
            raise NotAuthenticated
        return user


active_user = _ActiveUser()
ActiveUser = Annotated[UserRead, Depends(active_user, scope="request")]


async def admin_user(user: ActiveUser) -> UserRead:
    """Return the caller's account; refuse callers who are not administrators now."""
    if not user.is_admin:
        raise Forbidden
    return user


AdminUser = Annotated[UserRead, Depends(admin_user)]

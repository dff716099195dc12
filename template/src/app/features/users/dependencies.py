"""The caller's account, for the routes of users; other features use `app.platform.auth.dependencies`."""

from typing import Annotated

from fastapi import Depends

from app.dependencies import ServicesDep
from app.features.users.schemas import UserRead
from app.platform.auth.dependencies import CallerId
from app.platform.errors import Forbidden, NotAuthenticated


async def active_user(user_id: CallerId, services: ServicesDep) -> UserRead:
    """Return the caller's current account; refuse a deactivated account although its token is still valid."""
    user = await services.users.find(user_id)
    if user is None or not user.is_active:
        raise NotAuthenticated
    return user


ActiveUser = Annotated[UserRead, Depends(active_user)]


async def admin_user(user: ActiveUser) -> UserRead:
    """Return the caller's account; refuse callers who are not administrators now."""
    if not user.is_admin:
        raise Forbidden
    return user


AdminUser = Annotated[UserRead, Depends(admin_user)]

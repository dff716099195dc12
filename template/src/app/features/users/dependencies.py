"""The caller's account, for the routes of users; other features ask `app.platform.auth.dependencies` who is calling."""

from typing import Annotated

from fastapi import Depends

from app.dependencies import ServicesDep
from app.features.users.schemas import UserRead
from app.platform.auth.dependencies import CallerId
from app.platform.errors import Forbidden, NotAuthenticated


async def active_user(user_id: CallerId, services: ServicesDep) -> UserRead:
    """The caller's account as it is now; a deactivated one is turned away before its token expires."""
    user = await services.users.find(user_id)
    if user is None or not user.is_active:
        raise NotAuthenticated
    return user


ActiveUser = Annotated[UserRead, Depends(active_user)]


async def admin_user(user: ActiveUser) -> UserRead:
    """The caller's account, which is an administrator's as of now."""
    if not user.is_admin:
        raise Forbidden
    return user


AdminUser = Annotated[UserRead, Depends(admin_user)]

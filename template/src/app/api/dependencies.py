"""What routes ask for. All of it is `async def` without `yield`: no thread hop, nothing to clean up."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Query, Request
from fastapi.security import OAuth2PasswordBearer

from app.api.problems import responses
from app.context import Actor, actor
from app.db.pagination import CURSOR_PATTERN, Cursor, PageRequest
from app.errors import Forbidden, NotAuthenticated
from app.resources import Resources
from app.services import Services
from app.users.schemas import UserRead

# The middleware has read the token by the time a route runs; this describes it in OpenAPI.
_bearer = OAuth2PasswordBearer("/api/v1/auth/token", auto_error=False)

AUTHENTICATED = responses(NotAuthenticated)
ADMIN_ONLY = responses(NotAuthenticated, Forbidden)


async def get_resources(request: Request) -> Resources:
    """The resources of this process."""
    resources: Resources = request.state.resources
    return resources


async def get_services(request: Request) -> Services:
    """The services of this process."""
    services: Services = request.state.services
    return services


ResourcesDep = Annotated[Resources, Depends(get_resources)]
ServicesDep = Annotated[Services, Depends(get_services)]


async def caller_id(_token: Annotated[str | None, Depends(_bearer)]) -> UUID:
    """The caller's user id from the access token, without a query.

    Only for reading the caller's own rows: the account may have been closed since the token was issued.
    """
    caller = actor.get()
    if caller is None:
        raise NotAuthenticated
    return caller.user_id


CallerId = Annotated[UUID, Depends(caller_id)]


async def current_actor(user_id: CallerId, services: ServicesDep) -> Actor:
    """The caller with the rights of now, by one query; a closed account is turned away before its token expires."""
    caller = await services.users.active_actor(user_id)
    if caller is None:
        raise NotAuthenticated
    actor.set(caller)
    return caller


CurrentActor = Annotated[Actor, Depends(current_actor)]


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


async def page_request(
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[
        str | None, Query(pattern=CURSOR_PATTERN, description="`next_cursor` of the page before.")
    ] = None,
) -> PageRequest:
    """Which page of a list is wanted."""
    return PageRequest(limit, Cursor.decode(cursor) if cursor else None)


Paging = Annotated[PageRequest, Depends(page_request)]

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[A-Za-z0-9._:-]{1,200}$",
        description="Repeat a request with the same key, and it has one effect and the same answer.",
    ),
]

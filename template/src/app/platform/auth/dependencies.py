"""Who is calling: what routes ask for to know it."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer

from app.platform.auth.service import AuthService
from app.platform.context import Actor, actor
from app.platform.errors import Forbidden, NotAuthenticated
from app.platform.http.openapi import responses

# The middleware has read the token by the time a route runs; this describes it in OpenAPI.
_bearer = OAuth2PasswordBearer("/api/v1/auth/token", auto_error=False)

AUTHENTICATED = responses(NotAuthenticated)
ADMIN_ONLY = responses(NotAuthenticated, Forbidden)


async def auth_service(request: Request) -> AuthService:
    """Return the `auth` of this process's services."""
    service: AuthService = request.state.services.auth
    return service


AuthServiceDep = Annotated[AuthService, Depends(auth_service)]


async def caller_id(_token: Annotated[str | None, Depends(_bearer)]) -> UUID:
    """The caller's user id from the access token, without a query.

    Only for reading the caller's own rows: the account may have been closed since the token was issued.
    """
    caller = actor.get()
    if caller is None:
        raise NotAuthenticated
    return caller.user_id


CallerId = Annotated[UUID, Depends(caller_id)]


async def current_actor(user_id: CallerId, service: AuthServiceDep) -> Actor:
    """The caller with the rights of now, by one query; a closed account is turned away before its token expires."""
    caller = await service.active_actor(user_id)
    if caller is None:
        raise NotAuthenticated
    actor.set(caller)
    return caller


CurrentActor = Annotated[Actor, Depends(current_actor)]


async def admin_actor(caller: CurrentActor) -> Actor:
    """The caller, who is an administrator as of now."""
    if not caller.is_admin:
        raise Forbidden
    return caller


AdminActor = Annotated[Actor, Depends(admin_actor)]

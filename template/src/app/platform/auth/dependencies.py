"""Dependencies that give routes their caller."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request, WebSocket
from fastapi.requests import HTTPConnection
from fastapi.security import OAuth2PasswordBearer
from fastapi.security.base import SecurityBase
from limits import parse

from app.platform.auth.attempts import SignInAttempts
from app.platform.auth.service import AuthService
from app.platform.context import Actor, actor
from app.platform.db.replicas import reading_from
from app.platform.errors import Forbidden, NotAuthenticated
from app.platform.http.limits import SIGN_IN
from app.platform.http.middleware.client import client_of
from app.platform.http.middleware.rate_limit import user_key
from app.platform.http.openapi import responses
from app.platform.http.sockets import Socket
from app.platform.resources import PlatformResources
from app.platform.streams import Stream


class CallerDependency(SecurityBase):
    """A dependency that needs a caller, and describes the access token in OpenAPI; subclasses have the call.

    One class for both: FastAPI spends 65 thousand instructions of a request on each dependency.
    """

    def __init__(self) -> None:
        self.scheme_name = "OAuth2PasswordBearer"
        self.model = OAuth2PasswordBearer(SIGN_IN).model

    @staticmethod
    def user_id() -> UUID:
        """Return the caller's user id from the access token, which the middleware has read; without a query.

        Raises:
            NotAuthenticated: the request has no valid token.
        """
        caller = actor.get()
        if caller is None:
            raise NotAuthenticated
        return caller.user_id


AUTHENTICATED = responses(NotAuthenticated)
ADMIN_ONLY = responses(NotAuthenticated, Forbidden)


async def auth_service(connection: HTTPConnection) -> AuthService:
    """Return this process's `AuthService`."""
    service: AuthService = connection.state.services.auth
    return service


AuthServiceDep = Annotated[AuthService, Depends(auth_service)]


async def sign_in_attempts(request: Request) -> SignInAttempts:
    """Return the counter of this client's sign-ins."""
    resources: PlatformResources[Any] = request.state.resources
    limit = parse(resources.settings.http.account_rate_limit)
    return SignInAttempts(resources.limiter, limit, client_of(request.scope))


SignInAttemptsDep = Annotated[SignInAttempts, Depends(sign_in_attempts)]


class _CallerId(CallerDependency):
    async def __call__(self) -> UUID:
        return self.user_id()


caller_id = _CallerId()
# "request" is what FastAPI finds out otherwise, at each request
CallerId = Annotated[UUID, Depends(caller_id, scope="request")]
"""Use it only to read the caller's own rows: the account may have been closed since the token was issued."""


class _CurrentActor(CallerDependency):
    async def __call__(self, connection: HTTPConnection) -> Actor:
        """Return the caller with current rights; one query, which also refuses valid tokens of closed accounts."""
        service = await auth_service(connection)
        with reading_from("primary"):
            caller = await service.active_actor(self.user_id())
        if caller is None:
            raise NotAuthenticated
        actor.set(caller)
        return caller


current_actor = _CurrentActor()
CurrentActor = Annotated[Actor, Depends(current_actor, scope="request")]


async def admin_actor(caller: CurrentActor) -> Actor:
    """Return the caller; refuse callers who are not administrators now."""
    if not caller.is_admin:
        raise Forbidden
    return caller


AdminActor = Annotated[Actor, Depends(admin_actor)]


async def user_stream(connection: HTTPConnection, user_id: CallerId) -> AsyncIterator[Stream]:
    """Yield a stream of the caller, which is open until the response or the WebSocket ends."""
    resources: PlatformResources[Any] = connection.state.resources
    # tests call the application without a server
    disconnect = getattr(connection.state, "disconnect", None)
    with resources.streams.open(user_id, disconnect) as stream:
        if leave := getattr(connection.state, "leave", None):
            leave()
        yield stream


UserStream = Annotated[Stream, Depends(user_stream)]


async def user_socket(websocket: WebSocket, user_id: CallerId, stream: UserStream) -> AsyncIterator[Socket]:
    """Yield a WebSocket of the caller, and close it at the end of the route."""
    resources: PlatformResources[Any] = websocket.state.resources
    limit = parse(resources.settings.http.rate_limit)
    socket = Socket(websocket, stream, partial(resources.limiter.hit, limit, user_key(user_id)))
    yield socket
    await socket.close()


UserSocket = Annotated[Socket, Depends(user_socket)]

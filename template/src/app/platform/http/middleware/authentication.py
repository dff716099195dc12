"""Authentication by bearer token: in the Authorization header, or as the second subprotocol of a WebSocket."""

from starlette.types import ASGIApp, Receive, Scope, Send

from app.platform import context
from app.platform.http.sockets import SUBPROTOCOL
from app.platform.security import keys, read_access_token
from app.platform.settings import AuthSettings

_SAFE = {"GET", "HEAD"}


class AuthenticationMiddleware:
    """Puts the actor of a valid bearer token into the context, and whether the request only reads.

    The routes refuse requests without an actor.
    """

    def __init__(self, app: ASGIApp, *, settings: AuthSettings) -> None:
        self._app = app
        self._settings = settings
        self._keys = keys(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] in {"http", "websocket"}:
            context.actor.set(self._actor(scope))
            context.only_reads.set(scope.get("method") in _SAFE)
        await self._app(scope, receive, send)

    def _actor(self, scope: Scope) -> context.Actor | None:
        for name, value in scope["headers"]:
            if name == b"authorization":
                scheme, _, token = value.decode("latin-1").partition(" ")
                if scheme.lower() == "bearer":
                    return read_access_token(token.strip(), self._settings, self._keys)
        match scope.get("subprotocols"):
            case [protocol, token] if protocol == SUBPROTOCOL:
                return read_access_token(token, self._settings, self._keys)
        return None

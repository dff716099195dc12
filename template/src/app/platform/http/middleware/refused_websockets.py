"""Answer refused WebSockets with problem documents, where the server supports it (the ASGI denial response)."""

import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from app.platform.context import request_id
from app.platform.errors import AppError, Forbidden
from app.platform.http.errors import NotFound
from app.platform.http.middleware.routes import UNMATCHED, route_template
from app.platform.http.problems import internal_problem, problem

log = structlog.get_logger(__name__)

# the status of WebSockets for an unexpected condition (RFC 6455, section 7.4.1)
_INTERNAL_ERROR = 1011
_POLICY_VIOLATION = 1008


class WebSocketRefused(Exception):
    """A route or a dependency of a WebSocket raised an expected error, which has this response."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


async def call(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Handle one WebSocket connection; log bugs, and refuse the connection or close it."""
    socket = _Socket(scope, receive, send)
    try:
        await app(scope, receive, socket.send)
        if not socket.answered:
            log.error("websocket_unanswered", route=route_template(scope))
            await socket.end(internal_problem(), _INTERNAL_ERROR)
    except WebSocketDisconnect:
        # the client has left, which is no bug of the route that sends to it
        return
    except WebSocketRefused as refused:
        await socket.end(refused.response, _POLICY_VIOLATION)
    except AppError as error:
        await socket.end(problem(error), _POLICY_VIOLATION)
    except Exception:
        log.exception("unexpected_error")
        await socket.end(internal_problem(), _INTERNAL_ERROR)


class _Socket:
    """The sending side of a WebSocket, which knows whether the connection was accepted and whether it has ended."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._accepted = self._ended = False

    @property
    def answered(self) -> bool:
        """Whether the connection was accepted or refused."""
        return self._accepted or self._ended

    async def send(self, message: Message) -> None:
        if message["type"] == "websocket.close" and not self._accepted:
            unmatched = route_template(self._scope) == UNMATCHED
            error = NotFound() if unmatched else Forbidden(message.get("reason"))
            await self.end(problem(error), _POLICY_VIOLATION)
            return
        self._accepted = self._accepted or message["type"] == "websocket.accept"
        self._ended = self._ended or message["type"] in {"websocket.close", "websocket.http.response.start"}
        await self._send(message)

    async def end(self, refusal: Response, code: int) -> None:
        """Refuse the connection with this response or, when it was accepted already, close it with this code."""
        if self._ended:
            return
        self._ended = True
        if self._accepted or "websocket.http.response" not in self._scope.get("extensions", {}):
            await self._send({"type": "websocket.close", "code": code})
        else:
            refusal.headers["X-Request-ID"] = request_id.get() or ""
            await refusal(self._scope, self._receive, self._send)

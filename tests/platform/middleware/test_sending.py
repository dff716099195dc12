"""The middleware of a request shares one object that sends, and works around other middleware in between."""

import pytest
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.platform.http.middleware.security_headers import SecurityHeadersMiddleware
from app.platform.http.middleware.sending import RawHeaders, Sending
from app.platform.http.middleware.timing import TimingMiddleware

SCOPE: Scope = {"type": "http", "method": "GET", "path": "/", "headers": []}


async def receive() -> Message:
    return {"type": "http.request"}


class Between:
    """Middleware of an owner, which replaces `send`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def add_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"between", b"yes")]
            await send(message)

        await self._app(scope, receive, add_header)


@pytest.mark.parametrize("between", [False, True])
async def test_headers_are_added_from_the_inside_out(between: bool) -> None:
    used: list[Send] = []
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        used.append(send)
        await Response("body")(scope, receive, send)

    async def send(message: Message) -> None:
        sent.append(message)

    inner = SecurityHeadersMiddleware(app)
    await TimingMiddleware(Between(inner) if between else inner)(SCOPE, receive, send)
    (sending,) = used
    assert isinstance(sending, Sending)
    assert sending.status == 200
    assert len(sending.additions) == (1 if between else 2)
    names = [name for name, _ in sent[0]["headers"]]
    ours = [name for name in names if name in {b"x-frame-options", b"between", b"x-response-time"}]
    assert ours == [b"x-frame-options", *([b"between"] if between else []), b"x-response-time"]


async def test_outer_middleware_sees_what_inner_middleware_added() -> None:
    seen: list[RawHeaders] = []

    async def send(message: Message) -> None: ...

    sending = Sending.through(send, lambda headers: seen.append(list(headers)))
    Sending.through(sending, lambda headers: headers.append((b"inner", b"yes")))
    start: Message = {"type": "http.response.start", "status": 201}
    await sending(start)
    assert seen == [[(b"inner", b"yes")]]
    assert sending.status == 201


async def test_failure_to_send_is_remembered() -> None:
    async def send(_message: Message) -> None:
        raise BrokenPipeError

    sending = Sending.through(send)
    with pytest.raises(BrokenPipeError):
        await sending({"type": "http.response.body"})
    assert sending.started
    assert sending.failed

"""Bodies that arrive too slowly are refused with 408; what comes after a complete body has no limit."""

import asyncio
from collections.abc import Callable

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from app.platform.http.limits import MarkedRoutes
from app.platform.http.middleware.body_limit import BodyLimitMiddleware
from app.platform.settings import HttpSettings

SCOPE: Scope = {"type": "http", "method": "POST", "path": "/", "headers": []}


class Client:
    """Sends pieces of a body, with a pause before each."""

    def __init__(self, *pieces: tuple[float, bytes]) -> None:
        self._pieces = list(pieces)

    async def receive(self) -> Message:
        if not self._pieces:
            await asyncio.sleep(0.3)
            return {"type": "http.disconnect"}
        pause, body = self._pieces.pop(0)
        await asyncio.sleep(pause)
        return {"type": "http.request", "body": body, "more_body": bool(self._pieces)}


@pytest.fixture
def limited() -> Callable[[Client], asyncio.Future[list[Message]]]:
    """Return a function that receives a body through the middleware: 0.2 s, and one more for each 10 bytes."""
    settings = HttpSettings.model_construct(body_timeout=0.2, body_min_rate=10)

    async def receive(client: Client) -> list[Message]:
        messages: list[Message] = []

        async def read(_scope: Scope, receive: Receive, _send: Send) -> None:
            messages.append(await receive())
            while messages[-1].get("more_body"):
                messages.append(await receive())
            messages.append(await receive())

        async def send(_message: Message) -> None: ...

        middleware = BodyLimitMiddleware(read, settings=settings, large=MarkedRoutes.with_large_body([]))
        await middleware(SCOPE, client.receive, send)
        return messages

    return lambda client: asyncio.ensure_future(receive(client))


@pytest.mark.parametrize(
    "client",
    [
        Client((0.5, b"late")),
        Client((0, b""), (0.5, b"late")),
        Client((0, b"0"), *[(0.12, b"")] * 4, (0, b"")),
    ],
    ids=["nothing", "stops", "drips"],
)
async def test_slow_body_is_refused_and_the_connection_closed(
    limited: Callable[[Client], asyncio.Future[list[Message]]], client: Client
) -> None:
    with pytest.raises(HTTPException) as refused:
        await limited(client)
    assert (refused.value.status_code, refused.value.headers) == (408, {"Connection": "close"})


async def test_longer_body_gets_more_time_and_the_wait_for_the_end_has_no_limit(
    limited: Callable[[Client], asyncio.Future[list[Message]]],
) -> None:
    messages = await limited(Client((0, b"0123456789"), (0.4, b"0123456789"), (0.4, b"end")))
    assert [message.get("body") for message in messages] == [b"0123456789", b"0123456789", b"end", None]

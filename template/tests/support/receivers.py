"""An HTTP server that records the calls of this service."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDictProxy

# instead of a status: no answer at all
SILENCE = 0


@dataclass(frozen=True, slots=True)
class Received:
    """A call, and the address of the client."""

    method: str
    path: str
    query: dict[str, str]
    headers: CIMultiDictProxy[str]
    body: bytes
    peer: object


class Receiver:
    """Records calls, and answers with `body` and each of the statuses in turn; the last status is repeated."""

    def __init__(self, statuses: Sequence[int]) -> None:
        self.url = ""
        self.body = b"hunter2"
        self.received: list[Received] = []
        self.ends = asyncio.Event()
        self._statuses = list(statuses)

    async def answer(self, request: web.Request) -> web.Response:
        """Record the call, and answer with the next status."""
        peer = request.transport and request.transport.get_extra_info("peername")
        body = await request.read()
        self.received.append(Received(request.method, request.path, dict(request.query), request.headers, body, peer))
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        if status == SILENCE:
            await self.ends.wait()
        return web.Response(status=status or 204, headers={"Location": "/elsewhere"}, body=self.body)


@asynccontextmanager
async def receiving(*statuses: int) -> AsyncIterator[Receiver]:
    """Run a receiver on a port of its own; without statuses, it accepts every call."""
    receiver = Receiver(statuses or (204,))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.answer)
    async with TestServer(app) as server:
        receiver.url = str(server.make_url("/receipts"))
        try:
            yield receiver
        finally:
            receiver.ends.set()

"""Clients that disconnect, as servers other than uvicorn report it, and during streamed responses."""

from collections.abc import AsyncIterator

import pytest
import structlog
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Message, Scope

from app.platform.http.lifespan import State

PART: Message = {"type": "http.request", "body": b"a" * 10, "more_body": True}
WHOLE: Message = {"type": "http.request", "body": b"", "more_body": False}
GONE: Message = {"type": "http.disconnect"}


class Client:
    """A client that sends these messages, and disconnects after it has received `receives` messages.

    Then its server raises an OSError, as ASGI 2.4 requires and uvicorn does not.
    """

    def __init__(self, *messages: Message, spec_version: str = "2.4", receives: int = 100) -> None:
        self._messages = iter(messages)
        self._spec_version = spec_version
        self._receives = receives
        self.statuses: list[int] = []
        self.logged: list[tuple[str, str, int | None]] = []

    async def call(self, app: FastAPI, state: State, path: str) -> None:
        """Send a request, and record the service's log events about it."""
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": self._spec_version},
            "method": "POST",
            "path": path,
            "query_string": b"",
            "headers": [],
            "client": ("192.0.2.1", 1),
            "state": dict(state),
        }
        with structlog.testing.capture_logs() as logs:
            try:
                await app(scope, self._receive, self._send)
            finally:
                self.logged = [(log["event"], log["log_level"], log.get("status")) for log in logs]

    async def _receive(self) -> Message:
        return next(self._messages, GONE)

    async def _send(self, message: Message) -> None:
        if self._receives == 0:
            raise BrokenPipeError
        self._receives -= 1
        if message["type"] == "http.response.start":
            self.statuses.append(message["status"])


@pytest.fixture(autouse=True)
def _routes(app: FastAPI) -> None:
    @app.post("/read")
    async def read(request: Request) -> int:
        return len(await request.body())

    @app.post("/echo")
    async def echo(request: Request) -> StreamingResponse:
        return StreamingResponse(request.stream())

    @app.post("/numbers")
    async def numbers() -> StreamingResponse:
        async def count() -> AsyncIterator[bytes]:
            for number in range(1000):
                yield b"%d\n" % number

        return StreamingResponse(count())

    @app.post("/broken")
    async def broken() -> StreamingResponse:
        async def fail() -> AsyncIterator[bytes]:
            yield b"1\n"
            raise ConnectionRefusedError

        return StreamingResponse(fail())


@pytest.mark.parametrize("receives", [0, 100], ids=["server-raises", "server-is-silent"])
async def test_body_that_ends_early_is_a_499(app: FastAPI, state: State, receives: int) -> None:
    client = Client(PART, receives=receives)
    await client.call(app, state, "/read")
    assert client.logged == [("request", "info", 499)]


async def test_response_that_cannot_be_sent_is_no_error(app: FastAPI, state: State) -> None:
    client = Client(WHOLE, receives=0)
    await client.call(app, state, "/read")
    assert client.logged == [("request", "info", 200)]


async def test_disconnect_while_sending_and_receiving_is_no_error(app: FastAPI, state: State) -> None:
    client = Client(PART, PART)
    await client.call(app, state, "/echo")
    assert client.logged == [("request", "info", 200)]
    assert client.statuses == [200]


@pytest.mark.parametrize("receives", [0, 1, 20])
async def test_disconnect_during_a_streamed_response_is_no_error(app: FastAPI, state: State, receives: int) -> None:
    client = Client(WHOLE, receives=receives)
    await client.call(app, state, "/numbers")
    assert client.logged == [("request", "info", 200)]


async def test_streamed_response_ends_when_its_client_disconnects(app: FastAPI, state: State) -> None:
    client = Client(PART, WHOLE, spec_version="2.3")
    await client.call(app, state, "/numbers")
    assert client.logged == [("request", "info", 200)]
    assert client.statuses == [200]


async def test_streamed_response_that_fails_by_itself_is_a_bug(app: FastAPI, state: State) -> None:
    client = Client(WHOLE)
    with pytest.raises(ClientDisconnect):
        await client.call(app, state, "/broken")
    assert client.logged == [("unexpected_error", "error", None), ("request", "info", 200)]

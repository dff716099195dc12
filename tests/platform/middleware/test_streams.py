"""Event streams and WebSockets of users: who may open them, how many, and when they end."""

import asyncio
from collections.abc import AsyncIterable
from dataclasses import replace
from uuid import UUID

import httpx2 as httpx
import pytest
import structlog
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel, ValidationError

from app.config import Settings
from app.main import create_app
from app.platform import json_errors
from app.platform.auth.dependencies import UserSocket, UserStream
from app.platform.errors import Busy
from app.platform.http import sockets
from app.platform.http.lifespan import State
from app.platform.schemas import RequestModel
from app.platform.streams import Streams, TooManyStreams
from app.resources import Resources
from tests.support.client import problem, sign_up
from tests.support.streams import PATIENCE, connected, listening

pytestmark = pytest.mark.commits


class Question(RequestModel):
    number: int


class Answer(BaseModel):
    double: int


@pytest.fixture
def app(app: FastAPI) -> FastAPI:
    @app.get("/ticks", response_class=EventSourceResponse)
    async def tick(stream: UserStream) -> AsyncIterable[Answer]:
        number = 0
        while True:
            yield Answer(double=number)
            number += 1
            if not await stream.pause(0.001 if number < 3 else 60):
                return

    @app.websocket("/double")
    async def double(socket: UserSocket) -> None:
        await socket.accept()
        async for question in socket.received(Question):
            await socket.send(Answer(double=2 * question.number))

    return app


async def test_events_are_sent_until_the_client_leaves(
    app: FastAPI, client: httpx.AsyncClient, state: State, resources: Resources
) -> None:
    headers = await sign_up(client)
    async with listening(app, state, "/ticks", headers) as events:
        assert [await anext(events) for _ in range(3)] == [{"double": number} for number in range(3)]
        assert resources.streams.open_now == 1
    assert resources.streams.open_now == 0


async def test_events_end_with_the_process(
    app: FastAPI, client: httpx.AsyncClient, state: State, resources: Resources
) -> None:
    headers = await sign_up(client)
    async with listening(app, state, "/ticks", headers) as events:
        await anext(events)
        resources.streams.end()
        assert [event async for event in events][-1:] in ([], [{"double": 1}], [{"double": 2}])
    problem(await client.get("/ticks", headers=headers), 503, "busy")


async def test_head_does_not_wait_for_the_end_of_a_stream(client: httpx.AsyncClient, resources: Resources) -> None:
    headers = await sign_up(client)
    async with asyncio.timeout(PATIENCE):
        answer = await client.head("/ticks", headers=headers)
    assert (answer.status_code, answer.content) == (200, b"")
    assert resources.streams.open_now == 0


async def test_stream_needs_a_token(app: FastAPI, client: httpx.AsyncClient, state: State) -> None:
    problem(await client.get("/ticks"), 401, "not_authenticated")
    with pytest.raises(AssertionError, match="'status': 401"):
        async with connected(app, state, "/double", {}):
            pass


async def test_questions_are_answered(app: FastAPI, client: httpx.AsyncClient, state: State) -> None:
    async with connected(app, state, "/double", await sign_up(client)) as socket:
        for number in range(3):
            await socket.send({"number": number})
            assert await socket.received() == {"double": 2 * number}


async def test_browser_sends_its_token_as_a_subprotocol(app: FastAPI, client: httpx.AsyncClient, state: State) -> None:
    token = (await sign_up(client))["Authorization"].removeprefix("Bearer ")
    async with connected(app, state, "/double", {}, "bearer", token) as socket:
        assert socket.subprotocol == "bearer"
        await socket.send({"number": 1})
        assert await socket.received() == {"double": 2}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"number": "1"}, "number: Input should be a valid integer"),
        ({"number": 1, "other": 1}, "other: Extra inputs are not permitted"),
        ("{", "document: Invalid JSON"),
        ({"number": 1, "ä" * 500: 1}, "ä"),
    ],
)
async def test_malformed_message_closes_the_socket_with_the_reason(
    app: FastAPI, client: httpx.AsyncClient, state: State, message: object, reason: str
) -> None:
    async with connected(app, state, "/double", await sign_up(client)) as socket:
        await socket.send(message)
        code, given = await socket.closed()
        assert code == 1007
        assert given.startswith(reason)
        assert len(given.encode()) <= 123


async def test_bytes_are_refused(app: FastAPI, client: httpx.AsyncClient, state: State) -> None:
    async with connected(app, state, "/double", await sign_up(client)) as socket:
        await socket.incoming.put({"type": "websocket.receive", "bytes": b"{}"})
        assert await socket.closed() == (1003, "Send text.")


async def test_silent_client_is_disconnected(app: FastAPI, client: httpx.AsyncClient, state: State) -> None:
    @app.websocket("/patient")
    async def wait(socket: UserSocket) -> None:
        await socket.accept()
        async for _ in socket.received(Question, idle=0.001):
            pass

    async with connected(app, state, "/patient", await sign_up(client)) as socket:
        assert await socket.closed() == (1001, "Connect again.")


async def test_client_that_leaves_before_it_is_answered_is_no_bug(
    app: FastAPI, client: httpx.AsyncClient, state: State
) -> None:
    left = asyncio.Event()

    @app.websocket("/slow")
    async def answer(socket: UserSocket) -> None:
        await socket.accept()
        await left.wait()
        await socket.send(Answer(double=1))

    with structlog.testing.capture_logs() as logs:
        async with connected(app, state, "/slow", await sign_up(client)) as socket:
            socket.left = True
            left.set()
    assert [log["event"] for log in logs if log["log_level"] == "error"] == []


async def test_streams_have_bounds() -> None:
    streams = Streams(limit=3, per_user=2, longest=60)
    ada, bob = UUID(int=1), UUID(int=2)
    with streams.open(ada), streams.open(ada):
        with pytest.raises(TooManyStreams), streams.open(ada):
            pass
        with streams.open(bob), pytest.raises(Busy), streams.open(bob):
            pass
    with streams.open(ada):
        assert streams.open_now == 1


async def test_stream_ends_when_its_time_is_up() -> None:
    with Streams(limit=1, per_user=1, longest=0.001).open(UUID(int=1)) as stream:
        assert not await stream.pause(60)


async def test_websockets_count_for_the_rate_limit(settings: Settings, client: httpx.AsyncClient, state: State) -> None:
    headers = await sign_up(client)
    app = create_app(replace(settings, http=settings.http.model_copy(update={"rate_limit": "1/minute"})))

    @app.websocket("/open")
    async def accept(socket: UserSocket) -> None:
        await socket.accept()

    async with connected(app, state, "/open", headers):
        pass
    with pytest.raises(AssertionError, match="'status': 429"):
        async with connected(app, state, "/open", headers):
            pass


async def test_messages_count_for_the_rate_limit(
    app: FastAPI, settings: Settings, client: httpx.AsyncClient, state: State, resources: Resources
) -> None:
    headers = await sign_up(client)
    resources.settings = replace(settings, http=settings.http.model_copy(update={"rate_limit": "4/minute"}))
    with structlog.testing.capture_logs() as logs:
        async with connected(app, state, "/double", headers) as socket:
            for number in range(10):
                await socket.send({"number": number})
            messages = [await socket.next() for _ in range(5)]
    code, reason = messages[-1]["code"], messages[-1]["reason"]
    assert [message["type"] for message in messages[:-1]] == ["websocket.send"] * 4
    assert (code, reason[:30]) == (1013, "Too many messages: try again i")
    assert "messages_limited" in {log["event"] for log in logs}


async def test_only_the_first_errors_of_a_message_are_described(
    app: FastAPI, client: httpx.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    described: list[ValidationError] = []

    def first_errors(error: ValidationError) -> ValidationError:
        described.append(json_errors.first_errors(error))
        return described[-1]

    monkeypatch.setattr(sockets, "first_errors", first_errors)
    async with connected(app, state, "/double", await sign_up(client)) as socket:
        await socket.send({str(number): number for number in range(1000)})
        assert await socket.closed() == (1007, "number: Field required")
    assert [error.error_count() for error in described] == [json_errors.MAX_ERRORS + 1]

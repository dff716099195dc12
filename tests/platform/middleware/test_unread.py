"""Clients that do not read their answers lose the connection. With uvicorn, on real sockets."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import closing

import httpx2 as httpx
import pytest
import structlog
from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel

from app.platform.auth.dependencies import UserSocket, UserStream
from app.platform.http.connection import Connection
from app.platform.http.lifespan import State
from app.platform.streams import Streams
from app.resources import Resources
from tests.platform.support.unread import UPGRADE, serving, until
from tests.support.client import sign_up

pytestmark = pytest.mark.commits

KINDS = pytest.mark.parametrize(("path", "upgrade"), [("/events", {}), ("/socket", UPGRADE)], ids=["sse", "websocket"])
LARGE = 1_000_000

# a masked frame with a text of two bytes
NOT_UTF8 = b"\x81\x82\0\0\0\0\xff\xfe"


class Much(BaseModel):
    text: str = "x" * 60_000


@pytest.fixture
def app(app: FastAPI) -> FastAPI:
    @app.get("/events", response_class=EventSourceResponse)
    async def events(stream: UserStream) -> AsyncIterable[Much]:
        while await stream.pause(0.001):
            yield Much()

    @app.websocket("/socket")
    async def send(socket: UserSocket) -> None:
        await socket.accept()
        while True:
            await socket.send(Much())

    @app.websocket("/listen")
    async def listen(socket: UserSocket) -> None:
        await socket.accept()
        async for _ in socket.received(Much):
            pass

    @app.get("/endless")
    async def endless() -> Response:
        return StreamingResponse(parts())

    @app.get("/large")
    async def large() -> Response:
        return Response(b"x" * LARGE)

    return app


@pytest.fixture
def impatient(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> Resources:
    monkeypatch.setattr(Connection, "patience", 0.25)
    return resources


parts_open: list[None] = []


async def parts() -> AsyncIterator[bytes]:
    parts_open.append(None)
    try:
        while True:
            yield b"x" * 60_000
            await asyncio.sleep(0)
    finally:
        parts_open.clear()


def reasons(logs: list[structlog.typing.EventDict]) -> list[str]:
    assert [log for log in logs if log["log_level"] == "error"] == []
    return [log["reason"] for log in logs if log["event"] == "client_disconnected"]


@KINDS
async def test_stream_ends_in_time(
    app: FastAPI, client: httpx.AsyncClient, state: State, resources: Resources, path: str, upgrade: dict[str, str]
) -> None:
    resources.streams = Streams(limit=1, per_user=1, longest=0.5, grace=0.1)
    headers = await sign_up(client) | upgrade
    with structlog.testing.capture_logs() as logs:
        async with serving(app, state) as server:
            with closing(server.asked(path, headers)):
                await until(lambda: resources.streams.open_now)
                await until(lambda: not resources.streams.open_now)
    assert reasons(logs) == ["The stream had to end."]


@KINDS
async def test_stop_does_not_wait_for_the_client(
    app: FastAPI, client: httpx.AsyncClient, state: State, resources: Resources, path: str, upgrade: dict[str, str]
) -> None:
    resources.streams = Streams(limit=1, per_user=1, longest=600, grace=0.1)
    headers = await sign_up(client) | upgrade
    with structlog.testing.capture_logs() as logs:
        async with serving(app, state) as server:
            with closing(server.asked(path, headers)):
                await until(lambda: resources.streams.open_now)
                # until the buffers are full
                await asyncio.sleep(0.5)
                await server.stop()
    assert reasons(logs) == ["The stream had to end."]
    assert resources.streams.open_now == 0


@KINDS
async def test_client_that_reads_nothing_loses_its_stream(
    app: FastAPI, client: httpx.AsyncClient, state: State, impatient: Resources, path: str, upgrade: dict[str, str]
) -> None:
    headers = await sign_up(client) | upgrade
    with structlog.testing.capture_logs() as logs:
        async with serving(app, state) as server:
            with closing(server.asked(path, headers)):
                await until(lambda: impatient.streams.open_now)
                await until(lambda: not impatient.streams.open_now)
    assert reasons(logs) == ["The client has read nothing for 0.25 s."]


@pytest.mark.usefixtures("impatient")
async def test_client_that_reads_nothing_loses_any_answer(app: FastAPI, state: State) -> None:
    with structlog.testing.capture_logs() as logs:
        async with serving(app, state) as server:
            with closing(server.asked("/endless", {})):
                await until(lambda: parts_open)
                await until(lambda: not parts_open)
    assert reasons(logs) == ["The client has read nothing for 0.25 s."]


async def test_message_that_is_not_text_has_one_line_at_info(
    app: FastAPI, client: httpx.AsyncClient, state: State, resources: Resources, caplog: pytest.LogCaptureFixture
) -> None:
    headers = await sign_up(client) | UPGRADE
    with structlog.testing.capture_logs() as logs:
        async with serving(app, state) as server:
            with closing(server.asked("/listen", headers)) as client_socket:
                await until(lambda: resources.streams.open_now)
                client_socket.sendall(2 * NOT_UTF8)
                await until(lambda: not resources.streams.open_now)
    assert [(log["code"], log["client"]) for log in logs if log["event"] == "malformed_message"] == [
        (1007, "127.0.0.1")
    ]
    assert {record.levelname for record in caplog.records} <= {"INFO", "DEBUG"}


async def test_client_that_reads_slowly_gets_all(app: FastAPI, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "patience", 0.5)
    loop = asyncio.get_running_loop()
    async with serving(app, state) as server:
        with closing(server.asked("/large", {"Connection": "close"})) as client:
            client.setblocking(False)
            began, received = loop.time(), 0
            while part := await loop.sock_recv(client, 65_536):
                received += len(part)
                await asyncio.sleep(0.01)
    assert received > LARGE
    assert loop.time() - began > 2 * Connection.patience

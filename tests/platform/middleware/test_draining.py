"""Requests, event streams and WebSockets while a server is drained. With uvicorn, on real sockets."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterable, Callable
from contextlib import closing

import httpx2 as httpx
import pytest
import uvloop
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel

from app.platform.auth.dependencies import UserSocket, UserStream
from app.platform.http.draining import Config, Server
from app.platform.http.lifespan import State
from app.resources import Resources
from tests.platform.support.unread import UPGRADE, Served, serving, until
from tests.support.client import sign_up

pytestmark = pytest.mark.commits


class Tick(BaseModel):
    number: int


@pytest.fixture
def released() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def app(app: FastAPI, released: asyncio.Event) -> FastAPI:
    @app.get("/slow")
    async def slow() -> None:
        await released.wait()

    @app.get("/ticks", response_class=EventSourceResponse)
    async def tick(stream: UserStream) -> AsyncIterable[Tick]:
        number = 0
        while await stream.pause(0.05):
            number += 1
            yield Tick(number=number)

    @app.websocket("/listen")
    async def listen(socket: UserSocket) -> None:
        await socket.accept()
        async for _ in socket.received(Tick):
            await socket.send(Tick(number=1))

    return app


async def received(client: socket.socket, text: bytes) -> bytes:
    """Return what arrives up to this text."""
    client.setblocking(False)
    found = b""
    async with asyncio.timeout(10):
        while text not in found:
            part = await asyncio.get_running_loop().sock_recv(client, 65_536)
            assert part, f"closed after {found!r}"
            found += part
    return found.lower()


async def rest(client: socket.socket) -> bytes:
    """Return all that arrives until the server closes the connection."""
    found = b""
    async with asyncio.timeout(10):
        while part := await asyncio.get_running_loop().sock_recv(client, 65_536):
            found += part
    return found


async def drained(server: Served, resources: Resources) -> None:
    server.terminate()
    await until(lambda: resources.draining)


async def test_request_in_flight_closes_its_connection(
    app: FastAPI, state: State, resources: Resources, released: asyncio.Event
) -> None:
    async with serving(app, state, drain=60) as server:
        with closing(server.asked("/slow", {})) as client:
            await asyncio.sleep(0.1)
            await drained(server, resources)
            released.set()
            assert b"connection: close" in await received(client, b"\r\n\r\n")


async def test_headers_tell_of_the_end_only_in_a_drain(app: FastAPI, state: State, resources: Resources) -> None:
    async with serving(app, state, drain=60) as server:
        with closing(server.asked("/livez", {})) as client:
            assert b"connection" not in await received(client, b"\r\n\r\n")
            await drained(server, resources)
            # longer than uvicorn keeps its list of headers
            await asyncio.sleep(1.2)
            client.sendall(b"GET /livez HTTP/1.1\r\nHost: service\r\n\r\n")
            assert b"connection: close" in await received(client, b"\r\n\r\n")


async def test_retired_server_accepts_nothing_and_answers_on_open_connections(
    app: FastAPI, state: State, resources: Resources
) -> None:
    async with serving(app, state, drain=60) as server:
        with closing(server.asked("/livez", {})) as client:
            await received(client, b"\r\n\r\n")
            assert server.accepts
            server.retire()
            await until(lambda: not server.accepts)
            # the service stays, so balancers must not take it for one that ends
            client.sendall(b"GET /readyz HTTP/1.1\r\nHost: service\r\n\r\n")
            answer = await rest(client)
            assert b" 200 OK\r\n" in answer
            assert b"connection: close" in answer.lower()
            assert not resources.draining
            # then the whole service is stopped
            server.terminate()
            await until(lambda: resources.draining)
            assert not server.stops


@pytest.mark.parametrize("new_event_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_connections_that_only_the_kernel_has_accepted_are_answered(
    new_event_loop: Callable[[], asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[socket.socket] = []

    async def stop() -> None:
        async with serving(FastAPI(), {}) as server:

            async def last(_server: Server, _counter: int) -> bool:
                # the event loop does not run between this and the end
                asked.extend(server.asked("/", {}) for _ in range(20))
                return True

            monkeypatch.setattr(Server, "on_tick", last)
            await until(lambda: asked)
            for client in asked:
                with closing(client):
                    assert b"404 not found" in await received(client, b"\r\n\r\n")

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(stop())


Kind = tuple[str, dict[str, str], bytes]


@pytest.mark.parametrize(
    "kind", [("/ticks", {}, b"data:"), ("/listen", UPGRADE, b"\r\n\r\n")], ids=["events", "websocket"]
)
async def test_streams_end_with_the_drain_and_new_ones_are_accepted(
    app: FastAPI, client: httpx.AsyncClient, state: State, resources: Resources, kind: Kind
) -> None:
    path, upgrade, begins = kind
    headers = await sign_up(client) | upgrade
    async with serving(app, state, drain=1) as server:
        with closing(server.asked(path, headers)) as before:
            await received(before, begins)
            await drained(server, resources)
            with closing(server.asked(path, headers)) as during:
                answer = await received(during, begins)
                assert (b"connection: upgrade" in answer) is bool(upgrade)
                assert (b"connection: close" in answer) is not bool(upgrade)
                assert resources.streams.open_now == 2
                for each in (before, during):
                    await rest(each)
    assert resources.streams.open_now == 0


@pytest.mark.parametrize(
    ("drain", "signals", "stops"),
    [
        (60, [signal.SIGTERM], False),
        (60, [signal.SIGTERM, signal.SIGTERM], True),
        (60, [signal.SIGTERM, signal.SIGINT], True),
        (60, [signal.SIGINT], True),
        (0, [signal.SIGTERM], True),
    ],
)
def test_signals(app: FastAPI, drain: float, signals: list[signal.Signals], *, stops: bool) -> None:
    server = Server(Config(app, drain=drain, log_config=None))
    server.started = True
    for number in signals:
        server.handle_exit(number, None)
    assert server.should_exit is stops
    assert not server.force_exit


def test_repeated_signals_change_nothing_for_a_worker(app: FastAPI) -> None:
    """A terminal or systemd sends them to parent and workers, and the parent sends its own."""
    server = Server(Config(app, drain=60, log_config=None), supervised=True)
    server.started = True
    for number, stops in ((signal.SIGTERM, False), (signal.SIGTERM, False), (signal.SIGINT, True)):
        server.handle_exit(number, None)
        assert server.should_exit is stops
    for number in (signal.SIGINT, signal.SIGTERM):
        server.handle_exit(number, None)
    assert not server.force_exit


def test_server_that_still_starts_has_nothing_to_drain(app: FastAPI) -> None:
    server = Server(Config(app, drain=60, log_config=None))
    server.handle_exit(signal.SIGTERM, None)
    assert server.should_exit


def test_worker_that_still_imports_the_service_ends_at_once(app: FastAPI) -> None:
    server = Server(Config(app, drain=60, log_config=None), supervised=True)
    with pytest.raises(SystemExit) as ended:
        server.handle_exit(signal.SIGTERM, None)
    assert ended.value.code is None
    server.config.load()
    # it has begun to open its resources, and closes them
    server.handle_exit(signal.SIGTERM, None)
    assert server.should_exit

"""`HTTP_MAX_CONCURRENCY`: further requests are refused as any other one is; probes and streams do not count."""

import asyncio
from collections.abc import AsyncIterable
from dataclasses import replace

import httpx2 as httpx
import pytest
import structlog
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse

from app.config import Settings
from app.main import create_app
from app.platform.auth.dependencies import UserStream
from app.platform.http.lifespan import State
from app.platform.http.middleware import concurrency_limit
from app.platform.schemas import RequestModel
from tests.support.client import problem, sign_up
from tests.support.streams import listening

released = asyncio.Event()


class Tick(RequestModel):
    number: int


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    """Return the application, which handles two requests at a time."""
    update = {"max_concurrency": 2, "cors_origins": ("https://shop.example",)}
    app = create_app(replace(settings, http=settings.http.model_copy(update=update)))
    released.clear()

    @app.get("/slow")
    async def slow() -> None:
        await released.wait()

    @app.get("/ticks", response_class=EventSourceResponse)
    async def tick(stream: UserStream) -> AsyncIterable[Tick]:
        yield Tick(number=1)
        await stream.pause(60)

    return app


async def test_further_requests_are_refused_and_logged(client: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as logs:
        slow = [asyncio.ensure_future(client.get("/slow")) for _ in range(2)]
        await asyncio.sleep(0.05)
        refused = [await client.get("/slow", headers={"Origin": "https://shop.example"}) for _ in range(2)]
        ready = await client.get("/readyz")
        released.set()
        answers = [await each for each in slow]
    for answer in refused:
        assert problem(answer, 503, "busy")["detail"] == "Too many requests at a time."
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert ready.status_code == 200
    assert {answer.status_code for answer in answers} == {200}
    # a line for each request, and one that names the limit
    assert [log["status"] for log in logs if log["event"] == "request"] == [503, 503, 200, 200]
    (reached,) = [log for log in logs if log["event"] == "concurrency_limit_reached"]
    assert (reached["limit"], reached["refused"], reached["log_level"]) == (2, 1, "warning")
    assert (await client.get("/slow")).status_code == 200


async def test_refusals_are_named_again_after_some_seconds(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concurrency_limit, "SECONDS", 0.1)
    with structlog.testing.capture_logs() as logs:
        slow = [asyncio.ensure_future(client.get("/slow")) for _ in range(2)]
        await asyncio.sleep(0.05)
        for pause in (0, 0, 0.1):
            await asyncio.sleep(pause)
            await client.get("/slow")
        released.set()
        await asyncio.gather(*slow)
    assert [log["refused"] for log in logs if log["event"] == "concurrency_limit_reached"] == [1, 2]


@pytest.mark.commits
async def test_open_streams_leave_room_for_requests(app: FastAPI, client: httpx.AsyncClient, state: State) -> None:
    headers = await sign_up(client)
    async with listening(app, state, "/ticks", headers) as one, listening(app, state, "/ticks", headers) as other:
        assert [await anext(one), await anext(other)] == [{"number": 1}] * 2
        assert (await client.get("/api/v1/users/me", headers=headers)).status_code == 200


async def test_without_a_limit_there_is_no_middleware() -> None:
    assert concurrency_limit.concurrency_limit(None) == []

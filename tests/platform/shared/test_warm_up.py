"""Values that take long to make: requests and readiness meanwhile, failures, and the end of the process."""

import asyncio
import gc
import signal
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2 as httpx
import pytest
import structlog
from fastapi import FastAPI

from app.config import Settings
from app.platform import warm_up
from app.platform.db.session import Database
from app.platform.errors import WarmingUp
from app.platform.http.draining import Config, Server
from app.platform.http.lifespan import build_lifespan
from app.platform.warm_up import WarmUp
from app.resources import Resources
from tests.support.client import client_of, problem

PATIENCE = 20


@dataclass
class Model:
    """Loads when `loaded` is set, after some failures."""

    failures: int = 0
    loaded: threading.Event = field(default_factory=threading.Event)
    tries: int = 0

    def load(self) -> str:
        self.tries += 1
        assert self.loaded.wait(PATIENCE)
        if self.tries <= self.failures:
            message = f"try {self.tries}"
            raise LookupError(message)
        return "model"


class Embedder:
    """A resource of a service's owner."""

    def __init__(self, model: Model, closed: list[str], **times: float) -> None:
        self.model = WarmUp("embedder", model.load, **times)
        self._closed = closed
        self.warm_up, self.ping = self.model.warm_up, self.model.ping

    async def close(self) -> None:
        self._closed.append("embedder")
        await self.model.close()


class Plain:
    """Another resource, which needs no time, or too much of it, or fails."""

    def __init__(self, closed: list[str], start: Callable[[], Any]) -> None:
        self._closed = closed
        self._start = start

    async def warm_up(self) -> None:
        await self._start()

    async def close(self) -> None:
        self._closed.append("plain")


async def fail() -> None:
    message = "no"
    raise LookupError(message)


async def hang() -> None:
    """Sleep, as a library that swallows its cancellation."""
    for _ in range(3):
        with suppress(asyncio.CancelledError):
            # the end of the test run waits for the last one
            await asyncio.sleep(1)


async def cancelled() -> None:
    raise asyncio.CancelledError


@pytest.fixture
async def ended() -> AsyncIterator[Callable[[Model], None]]:
    """Yield a function for models whose threads end with the test."""
    models: list[Model] = []
    yield models.append
    for each in models:
        each.loaded.set()


async def until_warm(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await checked(client))["status"] != "ok":  # noqa: ASYNC110 (the service sends no event)
            await asyncio.sleep(0.01)


async def checked(client: httpx.AsyncClient) -> dict[str, object]:
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    check: dict[str, object] = answer.json()["checks"]["embedder"]
    return check


async def test_service_serves_while_it_warms_up(
    app: FastAPI, settings: Settings, database: Database, ended: Callable[[Model], None]
) -> None:
    model, closed = Model(failures=2), list[str]()
    ended(model)

    class OwnResources(Resources):
        warm_up_seconds = 0.2

        async def open_own(self) -> None:
            self.embedder = self.add("embedder", Embedder(model, closed, start_wait=0.05, wait=0.05, retry=0.05))
            self.add("plain", Plain(closed, fail))
            self.add("slow", Plain(closed, hang))
            self.add("cancelled", Plain(closed, cancelled))

    @app.get("/embedding")
    async def embed() -> str:
        model: str = await resources.embedder.model.get()
        return model

    lifespan = build_lifespan(lambda: OwnResources(settings, database), lambda _: None)
    with structlog.testing.capture_logs() as logs:
        async with lifespan(app) as state, client_of(app, state) as client:
            resources: Any = state["resources"]
            assert await checked(client) == {"status": "degraded", "critical": True}
            refused = await client.get("/embedding")
            problem(refused, 503, "warming_up")
            assert int(refused.headers["retry-after"]) > 0
            model.loaded.set()
            await until_warm(client)
            assert (await client.get("/embedding")).json() == "model"
    assert model.tries == 3
    assert closed == ["plain", "plain", "plain", "embedder"]
    events = [(each["event"], each["resource"]) for each in logs if "resource" in each]
    # once for both failures of the model
    assert sorted(events) == [
        ("warm_up_failed", "cancelled"),
        ("warm_up_failed", "embedder"),
        ("warm_up_failed", "plain"),
        ("warm_up_failed", "slow"),
        ("warmed_up", "embedder"),
    ]


async def test_server_that_is_stopped_while_it_warms_up_waits_no_longer(
    app: FastAPI, settings: Settings, database: Database
) -> None:
    closed, begun = list[str](), asyncio.Event()

    async def begin() -> None:
        begun.set()
        await asyncio.sleep(PATIENCE)

    class OwnResources(Resources):
        async def open_own(self) -> None:
            self.add("slow", Plain(closed, begin))

    app.router.lifespan_context = build_lifespan(lambda: OwnResources(settings, database), lambda _: None)
    server = Server(Config(app, drain=5.0, port=0, log_config=None))
    serving = asyncio.create_task(server._serve())  # noqa: SLF001 (the rest of it handles the signals of the process)
    async with asyncio.timeout(PATIENCE / 2):
        await begun.wait()
        server.handle_exit(signal.SIGTERM, None)
        await serving
    assert closed == ["plain"]


async def test_start_waits_for_what_is_quick_and_a_caller_for_a_while(ended: Callable[[Model], None]) -> None:
    quick, slow = Model(), Model()
    ended(slow)
    quick.loaded.set()
    value = WarmUp("quick", quick.load)
    await value.warm_up()
    assert await value.ping() == "ok"
    assert await value.get() == "model"
    await value.close()

    later = WarmUp("slow", slow.load, wait=PATIENCE, slow=0.01)
    assert await later.ping() == "ok"
    with structlog.testing.capture_logs() as logs:
        callers = [asyncio.create_task(later.get()) for _ in range(3)]
        async with asyncio.timeout(PATIENCE):
            while not logs:  # noqa: ASYNC110 (the log sends no event)
                await asyncio.sleep(0.01)
        assert await later.ping() == "degraded"
        slow.loaded.set()
        assert await asyncio.gather(*callers) == ["model"] * 3
    assert [each["event"] for each in logs] == ["warm_up_slow", "warmed_up"]
    assert slow.tries == 1
    await later.close()


async def test_stuck_thread_does_not_keep_the_process(
    ended: Callable[[Model], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm_up, "CLOSE_SECONDS", 0.05)
    model = Model()
    ended(model)
    value = WarmUp("stuck", model.load, wait=0.01)
    with pytest.raises(WarmingUp):
        await value.get()
    with structlog.testing.capture_logs() as logs:
        await value.close()
    assert [each["event"] for each in logs] == ["warm_up_abandoned"]
    (thread,) = [each for each in threading.enumerate() if each.name == "warm up stuck"]
    assert thread.daemon


async def test_whatever_the_making_raises_it_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Panic(BaseException):
        """As Rust's, in Python."""

    class Weights:
        """What was loaded until then."""

    kept: list[weakref.ref[Weights]] = []

    def load() -> str:
        weights = Weights()
        kept.append(weakref.ref(weights))
        if len(kept) == 1:
            raise Panic
        if len(kept) == 2:
            raise SystemExit
        gc.collect()
        # the weights of tries that have failed are in nobody's way
        return f"{sum(each() is not None for each in kept)} in memory"

    def refuse(_: threading.Thread) -> None:
        monkeypatch.undo()
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    value = WarmUp("model", load, wait=PATIENCE, retry=0.01)
    with structlog.testing.capture_logs() as logs:
        assert await value.get() == "1 in memory"
    assert [each["event"] for each in logs] == ["warm_up_failed", "warmed_up"]
    await value.close()

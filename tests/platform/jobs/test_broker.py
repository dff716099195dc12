"""What the service needs of a broker, whichever it is."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
from pydantic import SecretStr

from app.config import Settings
from app.main import create_app
from app.platform.errors import StartupError
from app.platform.http.lifespan import State
from app.platform.jobs.broker import Handover, url_of
from app.resources import Resources
from app.services import Services
from tests.platform.jobs.brokers import Queue
from tests.support.client import client_of

REDIS = ("redis://", "rediss://")
# less than what a client would take that tries again by itself
A_MOMENT = 20


def told(settings: Settings, broker_url: str | None, redis_url: str | None = None) -> Settings:
    """The settings with other URLs."""
    urls = [SecretStr(url) if url else None for url in (broker_url, redis_url)]
    process = settings.process.model_copy(update={"redis_url": urls[1]})
    return replace(settings, process=process, tasks=settings.tasks.model_copy(update={"broker_url": urls[0]}))


def dead_end() -> str:
    """The URL of a broker that is not there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"redis://127.0.0.1:{free.getsockname()[1]}/0"


@asynccontextmanager
async def broker_of(settings: Settings) -> AsyncIterator[Queue]:
    async with Resources(settings) as resources:
        assert resources.broker is not None
        yield resources.broker


def handovers(number: int, attempts: int = 0) -> list[Handover]:
    return [Handover(uuid4(), "sample", attempts) for _ in range(number)]


async def test_what_was_handed_over_is_in_the_queue(broker: Queue) -> None:
    await broker.ping()
    assert await broker.depth() == 0
    await broker.push(handovers(3))
    assert await broker.depth() == 3
    await broker.push(handovers(100, attempts=2))
    assert await broker.depth() == 103


async def test_queues_have_nothing_in_common(broker: Queue, settings: Settings) -> None:
    await broker.push(handovers(2))
    other = settings.tasks.model_copy(update={"queue": uuid4().hex})
    async with broker_of(replace(settings, tasks=other)) as others:
        assert await others.depth() == 0
    async with broker_of(settings) as same:
        assert await same.depth() == 2


async def test_broker_of_its_own_comes_before_that_of_the_limits(settings: Settings, redis_url: str) -> None:
    async with broker_of(told(settings, redis_url, dead_end())) as broker:
        await broker.push(handovers(1))
        assert await broker.depth() == 1


async def test_broker_that_is_not_there_is_said_soon(settings: Settings) -> None:
    async with broker_of(told(settings, dead_end())) as broker, asyncio.timeout(A_MOMENT):
        for call in (broker.ping(), broker.depth(), broker.push(handovers(1)), broker.push(handovers(30))):
            (outcome,) = await asyncio.gather(call, return_exceptions=True)
            assert isinstance(outcome, Exception)


@pytest.mark.parametrize(
    ("broker_url", "redis_url", "expected"),
    [
        ("redis://one/0", None, "redis://one/0"),
        ("rediss://one/0", "redis://other/0", "rediss://one/0"),
        (None, "redis://other/0", "redis://other/0"),
    ],
)
def test_url_is_that_of_the_broker_or_else_of_redis(
    settings: Settings, broker_url: str | None, redis_url: str | None, expected: str
) -> None:
    assert url_of(told(settings, broker_url, redis_url), *REDIS) == expected


@pytest.mark.parametrize(
    ("broker_url", "reason"),
    [
        (None, "jobs need a broker: set REDIS_URL, or TASKS_BROKER_URL"),
        ("http://ada:hunter2@broker/0", "TASKS_BROKER_URL: expected redis:// or rediss://"),
        ("hunter2", "TASKS_BROKER_URL: expected redis:// or rediss://"),
    ],
)
def test_url_that_cannot_be_used_is_said_in_one_line(settings: Settings, broker_url: str | None, reason: str) -> None:
    with pytest.raises(StartupError) as refused:
        url_of(told(settings, broker_url), *REDIS)
    assert str(refused.value) == reason


async def test_service_does_not_start_with_another_kind_of_broker(settings: Settings) -> None:
    with pytest.raises(StartupError, match=r"^TASKS_BROKER_URL: expected redis:// or rediss://"):
        async with Resources(told(settings, "sqs://queue")):
            pass


async def test_service_without_a_broker_has_none(settings: Settings) -> None:
    async with Resources(told(settings, None)) as resources:
        assert resources.broker is None
        assert [check.name for check in resources.checks] == ["postgresql"]


def checks(resources: Resources) -> list[tuple[str, bool]]:
    return [(check.name, check.critical) for check in resources.checks]


async def test_broker_of_its_own_is_checked_too(settings: Settings, redis_url: str) -> None:
    async with Resources(told(settings, None, redis_url)) as resources:
        assert checks(resources) == [("postgresql", True), ("redis", False)]
    async with Resources(told(settings, redis_url, redis_url)) as resources:
        assert checks(resources) == [("postgresql", True), ("redis", False), ("broker", False)]
        for check in resources.checks:
            await check.ping()
    async with Resources(told(settings, redis_url)) as resources:
        assert checks(resources) == [("postgresql", True), ("broker", False)]


async def test_service_is_ready_without_its_broker(settings: Settings) -> None:
    async with Resources(told(settings, dead_end())) as resources:
        state = State(resources=resources, services=Services(resources))
        async with client_of(create_app(settings), state) as client:
            answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert answer.json()["checks"] == {
        "postgresql": {"status": "ok", "critical": True},
        "broker": {"status": "failed", "critical": False},
    }

"""The interface of the broker, with either library."""

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
from app.platform.jobs.broker import Delivery, broker_url
from app.resources import Resources
from app.services import Services
from tests.platform.jobs.brokers import Broker
from tests.support.client import client_of

REDIS = ("redis://", "rediss://")
# seconds: a client that retried by itself would take longer
NO_RETRIES = 20


def with_urls(settings: Settings, own_url: str | None, redis_url: str | None = None) -> Settings:
    """Return the settings with other URLs."""
    urls = [SecretStr(url) if url else None for url in (own_url, redis_url)]
    process = settings.process.model_copy(update={"redis_url": urls[1]})
    return replace(settings, process=process, jobs=settings.jobs.model_copy(update={"broker_url": urls[0]}))


def unused_url() -> str:
    """Return the URL of a port on which no broker listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"redis://127.0.0.1:{free.getsockname()[1]}/0"


@asynccontextmanager
async def broker_of(settings: Settings) -> AsyncIterator[Broker]:
    async with Resources(settings) as resources:
        assert resources.broker is not None
        yield resources.broker


def deliveries(number: int, attempts: int = 0) -> list[Delivery]:
    return [Delivery(uuid4(), "sample", attempts) for _ in range(number)]


async def test_published_deliveries_are_in_the_queue(broker: Broker) -> None:
    await broker.ping()
    assert await broker.depth() == 0
    await broker.publish(deliveries(3))
    assert await broker.depth() == 3
    await broker.publish(deliveries(100, attempts=2))
    assert await broker.depth() == 103


async def test_queues_are_separate(broker: Broker, settings: Settings) -> None:
    await broker.publish(deliveries(2))
    other = settings.jobs.model_copy(update={"queue": uuid4().hex})
    async with broker_of(replace(settings, jobs=other)) as others:
        assert await others.depth() == 0
    async with broker_of(settings) as same:
        assert await same.depth() == 2


async def test_broker_url_takes_precedence_over_redis_url(settings: Settings, redis_url: str) -> None:
    async with broker_of(with_urls(settings, redis_url, unused_url())) as broker:
        await broker.publish(deliveries(1))
        assert await broker.depth() == 1


async def test_unreachable_broker_fails_without_retries(settings: Settings) -> None:
    async with broker_of(with_urls(settings, unused_url())) as broker, asyncio.timeout(NO_RETRIES):
        for call in (broker.ping(), broker.depth(), broker.publish(deliveries(1)), broker.publish(deliveries(30))):
            (outcome,) = await asyncio.gather(call, return_exceptions=True)
            assert isinstance(outcome, Exception)


@pytest.mark.parametrize(
    ("own_url", "redis_url", "expected"),
    [
        ("redis://one/0", None, "redis://one/0"),
        ("rediss://one/0", "redis://other/0", "rediss://one/0"),
        (None, "redis://other/0", "redis://other/0"),
    ],
)
def test_url_is_broker_url_or_else_redis_url(
    settings: Settings, own_url: str | None, redis_url: str | None, expected: str
) -> None:
    assert broker_url(with_urls(settings, own_url, redis_url), *REDIS) == expected


@pytest.mark.parametrize(
    ("own_url", "reason"),
    [
        (None, "jobs need a broker: set REDIS_URL, or TASKS_BROKER_URL"),
        ("http://ada:hunter2@broker/0", "TASKS_BROKER_URL: expected redis:// or rediss://"),
        ("hunter2", "TASKS_BROKER_URL: expected redis:// or rediss://"),
    ],
)
def test_unusable_url_is_reported_in_one_line(settings: Settings, own_url: str | None, reason: str) -> None:
    with pytest.raises(StartupError) as refused:
        broker_url(with_urls(settings, own_url), *REDIS)
    assert str(refused.value) == reason


async def test_service_refuses_to_start_with_an_unsupported_broker(settings: Settings) -> None:
    with pytest.raises(StartupError, match=r"^TASKS_BROKER_URL: expected redis:// or rediss://"):
        async with Resources(with_urls(settings, "sqs://queue")):
            pass


async def test_service_without_a_url_has_no_broker(settings: Settings) -> None:
    async with Resources(with_urls(settings, None)) as resources:
        assert resources.broker is None
        assert [check.name for check in resources.checks] == ["postgresql"]


def checks(resources: Resources) -> list[tuple[str, bool]]:
    return [(check.name, check.critical) for check in resources.checks]


async def test_broker_with_a_url_of_its_own_has_a_readiness_check(settings: Settings, redis_url: str) -> None:
    async with Resources(with_urls(settings, None, redis_url)) as resources:
        assert checks(resources) == [("postgresql", True), ("redis", False)]
    async with Resources(with_urls(settings, redis_url, redis_url)) as resources:
        assert checks(resources) == [("postgresql", True), ("redis", False), ("broker", False)]
        for check in resources.checks:
            await check.ping()
    async with Resources(with_urls(settings, redis_url)) as resources:
        assert checks(resources) == [("postgresql", True), ("broker", False)]


async def test_service_is_ready_while_its_broker_is_away(settings: Settings) -> None:
    async with Resources(with_urls(settings, unused_url())) as resources:
        state = State(resources=resources, services=Services(resources))
        async with client_of(create_app(settings), state) as client:
            answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert answer.json()["checks"] == {
        "postgresql": {"status": "ok", "critical": True},
        "broker": {"status": "failed", "critical": False},
    }

"""Of a broker with `rediss://`, nothing is asked in the clear: the URL has a password."""

import asyncio
import importlib.util
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from limits import parse
from pydantic import SecretStr

from app.config import Settings
from app.platform.jobs.broker import Delivery
from app.platform.rate_limits import RateLimiter
from app.resources import Resources
from tests.platform.jobs.process.deployment import Deployment
from tests.platform.jobs.process.workers import wait_until

WITH_CELERY = importlib.util.find_spec("celery") is not None
# the type of the record that a TLS client begins with
HANDSHAKE = b"\x16"
LOST = ("Cannot connect to", '"event":"broker_lost"')


class Listener:
    """Keeps the first byte of each connection, and closes it."""

    def __init__(self) -> None:
        self.url = ""
        self.first: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            self.first.append(await reader.read(1))
        writer.close()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    """Run a listener on a port of its own."""
    listener = Listener()
    server = await asyncio.start_server(listener.serve, "127.0.0.1", 0)
    listener.url = f"rediss://:s3cret@127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    yield listener
    server.close()


def with_broker(settings: Settings, url: str) -> Settings:
    return replace(settings, process=settings.process.model_copy(update={"redis_url": SecretStr(url)}))


async def publish(settings: Settings, url: str) -> None:
    async with Resources(with_broker(settings, url)) as resources:
        assert resources.broker is not None
        with suppress(Exception):
            await resources.broker.publish([Delivery(uuid4(), "sample", 0)])


async def count(_settings: Settings, url: str) -> None:
    limiter = RateLimiter(url)
    await limiter.hit(parse("1/minute"), "key")
    await limiter.close()


@pytest.mark.parametrize("asks", [publish, count])
@pytest.mark.parametrize("options", ["", "?ssl_cert_reqs=none"])
async def test_password_is_not_sent_in_the_clear(
    settings: Settings, listener: Listener, asks: Callable[[Settings, str], Awaitable[None]], options: str
) -> None:
    await asks(settings, listener.url + options)
    assert set(listener.first) == {HANDSHAKE}


async def test_worker_does_not_send_the_password_in_the_clear(deployment: Deployment, listener: Listener) -> None:
    with deployment.worker(REDIS_URL=listener.url) as worker:
        # the process that takes jobs from the queue has asked
        await wait_until(lambda: any(text in line for text in LOST for line in worker.lines), "the broker is lost")
    assert set(listener.first) == {HANDSHAKE}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", ssl.CERT_REQUIRED),
        ("?ssl_ca_certs=/etc/ca.pem", ssl.CERT_REQUIRED),
        ("?ssl_cert_reqs=required", ssl.CERT_REQUIRED),
        ("?ssl_cert_reqs=none", ssl.CERT_NONE),
    ],
)
async def test_certificate_is_verified_unless_the_url_says_otherwise(
    settings: Settings, options: str, expected: ssl.VerifyMode
) -> None:
    async with Resources(with_broker(settings, f"rediss://127.0.0.1/0{options}")) as resources:
        assert verification(resources.broker) is expected


def verification(broker: Any) -> Any:
    """Return how the connections of the broker verify certificates; redis-py's default is to require a valid one."""
    if WITH_CELERY:
        return broker._celery.connection_for_write().ssl.get("ssl_cert_reqs", ssl.CERT_REQUIRED)  # noqa: SLF001
    return broker._redis.connection_pool.make_connection().ssl_context.cert_reqs  # noqa: SLF001

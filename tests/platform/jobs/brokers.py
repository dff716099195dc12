"""The type of the real broker, and a publisher that records deliveries."""

import asyncio
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from app.platform.jobs.broker import Delivery, Publisher, QueueStatus
from tests.support.server import PATIENCE


class Broker(Publisher, QueueStatus, Protocol):
    """Both interfaces of the real broker."""


class RecordingPublisher:
    """Records deliveries; raises for the first `failures` calls."""

    def __init__(self, *, failures: int = 0) -> None:
        self.published: list[Delivery] = []
        self._failures = failures
        self._changed = asyncio.Event()

    async def publish(self, deliveries: Sequence[Delivery]) -> None:
        if self._failures:
            self._failures -= 1
            message = "the broker is away"
            raise ConnectionError(message)
        self.published += deliveries
        self._changed.set()

    @property
    def keys(self) -> list[UUID]:
        """Return the keys of the published jobs."""
        return [each.key for each in self.published]

    async def wait_for(self, key: UUID) -> None:
        """Wait until the job is published."""
        async with asyncio.timeout(PATIENCE):
            while key not in self.keys:
                self._changed.clear()
                await self._changed.wait()

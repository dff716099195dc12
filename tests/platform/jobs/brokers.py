"""Brokers as the tests need them: the real one, and one that can be asked what it was told."""

import asyncio
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from app.platform.jobs.broker import Handover, Tells, Watched
from tests.support.server import PATIENCE


class Queue(Tells, Watched, Protocol):
    """Both sides of the broker behind the service."""


class Heard:
    """Remembers what it was told; the first `failures` times it does not answer."""

    def __init__(self, *, failures: int = 0) -> None:
        self.told: list[Handover] = []
        self._failures = failures
        self._news = asyncio.Event()

    async def push(self, handovers: Sequence[Handover]) -> None:
        if self._failures:
            self._failures -= 1
            message = "the broker is away"
            raise ConnectionError(message)
        self.told += handovers
        self._news.set()

    @property
    def keys(self) -> list[UUID]:
        """The jobs it was told of."""
        return [each.key for each in self.told]

    async def hears_of(self, key: UUID) -> None:
        """Wait until it was told of the job."""
        async with asyncio.timeout(PATIENCE):
            while key not in self.keys:
                self._news.clear()
                await self._news.wait()

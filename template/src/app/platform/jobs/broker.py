"""The interface of a broker; `arq.py` or `celery.py` in this directory implements it.

The broker only tells workers which job to attempt. PostgreSQL knows the jobs and their states, so a broker may lose
deliveries or repeat them.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from app.platform.errors import StartupError
from app.platform.settings import PlatformSettings

# Makes an attempt at the job with this key and name, if the job can be claimed; does not raise if the attempt fails.
RunJob = Callable[[UUID, str], Coroutine[Any, Any, None]]

# Opens the resources of jobs in the calling process, and yields its RunJob; the second argument names the worker.
OpenRunner = Callable[[PlatformSettings, str], AbstractAsyncContextManager[RunJob]]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message to the broker about a job's next attempt; `attempts` is the number of attempts so far."""

    key: UUID
    job: str
    attempts: int

    @property
    def name(self) -> str:
        """Return the same name for each delivery of the same attempt, so that a broker can recognise repetitions."""
        return f"{self.key}.{self.attempts}"


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """What a broker needs to run jobs until `stop` is set.

    `run_job` makes attempts in this process, `open_runner` in another one. `longest_time_limit`, in seconds, is that of
    all jobs. The broker sets `consuming` while it takes jobs from the queue.
    """

    settings: PlatformSettings
    worker: str
    run_job: RunJob
    open_runner: OpenRunner
    longest_time_limit: float
    stop: asyncio.Event
    consuming: asyncio.Event

    async def ping(self) -> None:
        """Raise when no jobs are taken from the queue."""
        if not self.consuming.is_set():
            message = "no jobs are taken from the queue yet"
            raise StartupError(message)


class Publisher(Protocol):
    """The part of a broker that the relay uses."""

    async def publish(self, deliveries: Sequence[Delivery]) -> None:
        """Publish the deliveries; raise when the broker does not answer, possibly after some were published."""


class QueueStatus(Protocol):
    """The part of a broker that monitoring uses."""

    async def depth(self) -> int:
        """Return the number of jobs at the broker; whether it includes running jobs depends on the broker."""

    async def ping(self) -> None:
        """Raise when the broker does not answer."""


def broker_url(settings: PlatformSettings, *schemes: str) -> str:
    """Return the URL of the broker.

    Raises:
        StartupError: there is no URL, or it has none of these schemes.
    """
    given = settings.jobs.broker_url or settings.process.redis_url
    if given is None:
        message = "jobs need a broker: set REDIS_URL, or TASKS_BROKER_URL"
        raise StartupError(message)
    url = given.get_secret_value()
    if not url.startswith(schemes):
        message = f"TASKS_BROKER_URL: expected {' or '.join(schemes)}"
        raise StartupError(message)
    return url

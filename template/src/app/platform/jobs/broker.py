"""What the rest of the service needs of a broker; `arq.py` or `celery.py` beside this file is one.

The broker only tells workers which job to begin. What a job is and whether it is done stands in PostgreSQL, so a broker
may forget everything, or say the same thing twice.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from app.platform.errors import StartupError
from app.platform.settings import PlatformSettings

# Begins the job with this key and name, if it is there to be begun; does not raise for what goes wrong in it.
Run = Callable[[UUID, str], Coroutine[Any, Any, None]]

# Opens what jobs need in the process that asks, and yields what begins them there; the name is the worker's.
OpenRun = Callable[[PlatformSettings, str], AbstractAsyncContextManager[Run]]


@dataclass(frozen=True, slots=True)
class Handover:
    """A job the workers should hear of. The same try at it has the same name, so a broker may know repetitions."""

    key: UUID
    job: str
    attempts: int

    @property
    def name(self) -> str:
        """What tells this try from the others."""
        return f"{self.key}.{self.attempts}"


@dataclass(frozen=True, slots=True)
class Work:
    """What a broker is asked for: jobs are begun until `stop` is set, and then get time to end.

    `run` begins them in this process, `open_run` in another one; `longest` is the longest time limit, in seconds.
    """

    settings: PlatformSettings
    worker: str
    run: Run
    open_run: OpenRun
    longest: float
    stop: asyncio.Event


class Tells(Protocol):
    """The side of the broker that jobs are handed over to."""

    async def push(self, handovers: Sequence[Handover]) -> None:
        """Tell the workers; raises when the broker does not answer, and some may have been told then."""


class Watched(Protocol):
    """The side of the broker that monitoring looks at."""

    async def depth(self) -> int:
        """How many jobs the broker has; whether those are among them that run depends on the broker."""

    async def ping(self) -> None:
        """Raise when the broker does not answer."""


def url_of(settings: PlatformSettings, *schemes: str) -> str:
    """Where the broker is.

    Raises:
        StartupError: nobody said where, or it is no broker of this kind.
    """
    given = settings.tasks.broker_url or settings.process.redis_url
    if given is None:
        message = "jobs need a broker: set REDIS_URL, or TASKS_BROKER_URL"
        raise StartupError(message)
    url = given.get_secret_value()
    if not url.startswith(schemes):
        message = f"TASKS_BROKER_URL: expected {' or '.join(schemes)}"
        raise StartupError(message)
    return url

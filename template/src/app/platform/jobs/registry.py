"""The function of each job, and the schedules; `app/jobs.py` lists both."""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from app.platform.jobs.attempt import PermanentFailure
from app.platform.jobs.job import Job

ServicesT = TypeVar("ServicesT")


class Handler(Generic[ServicesT]):
    """A job and its function, which gets the services first, and the job's arguments by name."""

    def __init__(self, job: Job, function: Callable[..., Awaitable[None]]) -> None:
        self.job = job
        self._function = function
        _services, *parameters = inspect.signature(function, eval_str=True).parameters.values()
        fields: dict[str, Any] = {
            each.name: (each.annotation, ... if each.default is each.empty else each.default) for each in parameters
        }
        config = ConfigDict(extra="forbid")
        self._arguments: type[BaseModel] = create_model(job.name, __config__=config, **fields)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the parameters of `__init__`: the arguments' model cannot be imported by another process."""
        return type(self), (self.job, self._function)

    async def __call__(self, services: ServicesT, arguments: Mapping[str, Any]) -> None:
        """Call the function.

        Raises:
            PermanentFailure: the arguments do not match the function's parameters.
        """
        try:
            given = self._arguments.model_validate(arguments)
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            message = f"the arguments do not fit: {problems}"
            raise PermanentFailure(message) from None
        await self._function(services, **dict(given))


class Registry(Generic[ServicesT]):
    """All jobs of the service, by name."""

    def __init__(self, *handlers: Handler[ServicesT]) -> None:
        self._handlers = {handler.job.name: handler for handler in handlers}
        if len(self._handlers) < len(handlers):
            message = "two jobs have the same name"
            raise ValueError(message)

    def get(self, name: str) -> Handler[ServicesT] | None:
        """Return the handler of the job with this name, or None if this release of the service does not have it."""
        return self._handlers.get(name)

    def __iter__(self) -> Iterator[Handler[ServicesT]]:
        return iter(self._handlers.values())


@dataclass(frozen=True, slots=True)
class Schedule:
    """A job without arguments that is due at regular times, counted from 1970-01-01 00:00 UTC plus an offset.

    For example, `every=timedelta(days=1), offset=timedelta(hours=3)` is 03:00 UTC each day.

    Raises:
        ValueError: `every` is not positive.
    """

    job: Job
    every: timedelta
    offset: timedelta = timedelta()

    def __post_init__(self) -> None:
        if self.every <= timedelta():
            message = f"the schedule of {self.job.name} needs a time between two slots, not {self.every}"
            raise ValueError(message)

    def slot(self, now: datetime) -> datetime:
        """Return the latest time, not after `now`, at which the job is due."""
        since = now - _EPOCH - self.offset
        return _EPOCH + self.offset + (since // self.every) * self.every


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

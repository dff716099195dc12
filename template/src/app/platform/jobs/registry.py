"""Which function does a job, and when jobs are done by themselves. Both are filled in `app/jobs.py`."""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from app.platform.jobs.attempt import PermanentFailure
from app.platform.jobs.outbox import Job

ServicesT = TypeVar("ServicesT")


class Handler(Generic[ServicesT]):
    """A job with the function that does it: the services come first, then what the job was enqueued with, by name."""

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
        """Pickle what it was made of: the model of the arguments exists in this process only."""
        return Handler, (self.job, self._function)

    async def __call__(self, services: ServicesT, arguments: Mapping[str, Any]) -> None:
        """Do the job.

        Raises:
            PermanentFailure: these are no arguments of the function.
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
        """What does the job of that name; `None` when this release of the service does not know it."""
        return self._handlers.get(name)

    def __iter__(self) -> Iterator[Handler[ServicesT]]:
        return iter(self._handlers.values())


@dataclass(frozen=True, slots=True)
class Schedule:
    """A job without arguments that is due every so often, counted from midnight UTC of 1970-01-01 plus an offset.

    So `every=timedelta(days=1), offset=timedelta(hours=3)` is each day at three.
    """

    job: Job
    every: timedelta
    offset: timedelta = timedelta()

    def slot(self, now: datetime) -> datetime:
        """The last time at or before `now` that it was due."""
        since = now - _EPOCH - self.offset
        return _EPOCH + self.offset + (since // self.every) * self.every


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

"""The attempt that is running: code that runs in a job can read it."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from uuid import UUID


class AttemptSuperseded(Exception):
    """Another attempt has started or finished the job: this attempt must not commit anything."""


class PermanentFailure(Exception):
    """Trying again would not help. Raise it in a job to move the job to the dead letters at once."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a job. All attempts at the job have the same `key`; `span` is that which enqueued the job."""

    key: UUID
    job: str
    number: int
    arguments: dict[str, Any]
    request_id: str | None
    span: str | None = None


# None outside of jobs
attempt: ContextVar[Attempt | None] = ContextVar("attempt", default=None)

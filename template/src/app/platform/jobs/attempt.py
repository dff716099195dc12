"""The attempt that is being made: read by the logs, and by effects that happen once."""

import logging
from collections.abc import MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import bindparam, delete
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.stdlib import ProcessorFormatter

from app.platform.jobs.models import JobState, OutboxMessage


class AttemptOverruled(Exception):
    """Somebody else has the job by now, or has done it: what this attempt did must not be committed."""


class PermanentFailure(Exception):
    """Trying again would not help: raise it in a job to have it set aside at once."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a job. `key` is the same in every try."""

    key: UUID
    job: str
    number: int
    arguments: dict[str, Any]
    request_id: str | None

    def mine(self) -> dict[str, Any]:
        """The values for `MINE`."""
        return {"key": self.key, "number": self.number}


# the conditions under which a job's row is still that attempt's
MINE = (
    OutboxMessage.id == bindparam("key"),
    OutboxMessage.attempts == bindparam("number"),
    OutboxMessage.state == JobState.RUNNING,
)
_FINISH = delete(OutboxMessage).where(*MINE).returning(OutboxMessage.id).execution_options(synchronize_session=False)

attempt: ContextVar[Attempt | None] = ContextVar("attempt", default=None)


async def finish(session: AsyncSession) -> None:
    """Make this transaction the end of the job: its effects and the end of the job are committed together.

    So a job whose effects are in the database has them once, whatever is killed and however often it is tried. Outside
    of jobs it does nothing, so that a service method can be called by both.

    Raises:
        AttemptOverruled: the job was done by another attempt.
    """
    current = attempt.get()
    if current is None:
        return
    if await session.scalar(_FINISH, current.mine()) is None:
        raise AttemptOverruled


def add_attempt(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Name the job in every event that is logged while it runs."""
    if current := attempt.get():
        event.setdefault("job", current.job)
        event.setdefault("job_id", str(current.key))
        event.setdefault("attempt", current.number)
    return event


def log_attempts() -> None:
    """Have all that is logged in this process name its job; after `app.platform.logging.configure`."""
    structlog.configure(processors=[add_attempt, *structlog.get_config()["processors"]])
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, ProcessorFormatter):
            handler.formatter.foreign_pre_chain = [add_attempt, *(handler.formatter.foreign_pre_chain or ())]

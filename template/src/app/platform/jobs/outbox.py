"""How a job is asked for: a row in the transaction of its cause, so that both happen or neither does.

Who wants a job done declares it and enqueues it; what it does is registered in `app/jobs.py`. Which of two jobs
runs first is not certain, also when both are about the same thing, and each runs as often as it takes; `finish` in
`attempt.py` makes its effect happen once.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from pydantic_core import to_jsonable_python
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.context import request_id
from app.platform.jobs.models import OutboxMessage

# what PostgreSQL notifies of; the trigger of migrations/jobs/ uses the same name
CHANNEL = "outbox_messages"


@dataclass(frozen=True, slots=True)
class Job:
    """A kind of job, by name: how long an attempt may take, and how often it is tried; times in seconds.

    Between two attempts lies `first_delay`, doubled each time up to `longest_delay`, and each time give or take a half:
    the defaults try for about two and a half hours.
    """

    name: str
    time_limit: float = 60.0
    attempts: int = 12
    first_delay: float = 5.0
    longest_delay: float = 3600.0


async def enqueue(session: AsyncSession, job: Job, **arguments: Any) -> UUID:
    """Have the job done once the session's transaction is committed; its key, which is that of all its attempts.

    Raises:
        PydanticSerializationError: an argument cannot be written as JSON.
        RuntimeError: the session only reads.
    """
    key = uuid4()
    row = {
        "id": key,
        "job": job.name,
        "arguments": to_jsonable_python(arguments),
        "request_id": request_id.get(),
    }
    await session.execute(insert(OutboxMessage), [row])
    return key

"""Repeat units of work that failed for a reason that may be gone: a deadlock, a lost connection."""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import structlog

from app.platform import metrics
from app.platform.db import errors, gate
from app.platform.errors import DatabaseUnavailable, OutcomeUnknown
from app.platform.tracebacks import summary

P = ParamSpec("P")
ResultT = TypeVar("ResultT")

Work = Callable[P, Coroutine[Any, Any, ResultT]]

TRIES = 3
SECONDS = 30.0
"""After this time no further try begins, if the deadline of the database's answers is unknown."""
FIRST_PAUSE = 0.05
"""The longest pause before the second try, in seconds; it doubles with each further one."""

log = structlog.get_logger(__name__)


def repeatable(work: Work[P, ResultT]) -> Work[P, ResultT]:
    """Repeat a unit of work that failed before its commit, at most twice: mark only what may run several times.

    Repeated is what failed by a serialization failure, a deadlock or a lost connection (`errors.py`), after a random
    pause that grows, and only until the deadline of an answer has passed (`DB_STATEMENT_TIMEOUT` and 5 seconds). A
    connection that is lost during COMMIT is a reason to stop, because the change may have been saved. Inside another
    unit of work nothing is repeated, because that one has failed as well.
    """

    @wraps(work)
    async def repeat(*args: P.args, **kwargs: P.kwargs) -> ResultT:
        started = time.monotonic()
        # not with stamina, because its log quotes the error, and with it values
        for number in range(1, TRIES):
            # random, so that units of work that blocked each other do not meet again; that needs no secret numbers
            pause = random.uniform(0, FIRST_PAUSE * 2 ** (number - 1))  # noqa: S311
            try:
                return await work(*args, **kwargs)
            except Exception as error:
                cause = _cause(error)
                until = started + (gate.latest_deadline() or SECONDS)
                if cause is None or gate.current_place() or time.monotonic() + pause > until:
                    raise
                metrics.DB_RETRIES.labels(cause).inc()
                log.info("unit_of_work_repeated", work=work.__qualname__, cause=cause, reason=summary(error))
            await asyncio.sleep(pause)
        return await work(*args, **kwargs)

    return repeat


def _cause(error: Exception) -> str | None:
    """Return why a unit of work failed; `None` if it may not be repeated."""
    if isinstance(error, OutcomeUnknown) or errors.outcome_is_unknown(error):
        return None
    if isinstance(error, DatabaseUnavailable):
        return errors.NOT_CONNECTED.cause
    meaning = errors.meaning(error)
    return meaning.cause if meaning and meaning.repeatable else None

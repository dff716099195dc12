"""Adds the running attempt to every log event of a worker."""

import logging
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.stdlib import ProcessorFormatter

from app.platform.jobs.attempt import attempt


def add_attempt(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the job's name, its id and the number of the attempt; keep fields that the event has already."""
    if current := attempt.get():
        event.setdefault("job", current.job)
        event.setdefault("job_id", str(current.key))
        event.setdefault("attempt", current.number)
    return event


def log_attempts() -> None:
    """Add the attempt to all log events of this process; call it after `app.platform.logging.configure`."""
    structlog.configure(processors=[add_attempt, *structlog.get_config()["processors"]])
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, ProcessorFormatter):
            handler.formatter.foreign_pre_chain = [add_attempt, *(handler.formatter.foreign_pre_chain or ())]

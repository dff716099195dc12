"""Celery's transport for Redis, which survives messages that nobody can read."""

from collections.abc import Callable
from typing import Any

import structlog
from kombu.transport import redis
from redis.exceptions import DataError

from app.platform.jobs import metrics
from app.platform.tracebacks import summary

log = structlog.get_logger(__name__)

NAME = f"{__name__}:Transport"
# raised by the code of kombu and Celery, which expects keys and types; `DataError`, for a tag that Redis cannot store
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, DataError)


class Channel(redis.Channel):
    """Discards unreadable messages, where kombu's own channel ends the worker."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except UNREADABLE as error:
            # Redis has removed the message already, and the relay repeats a delivery that was lost this way
            _count(error)
            return True

    def basic_consume(self, queue: Any, no_ack: Any, callback: Callable[[Any], Any], *args: Any, **options: Any) -> Any:
        """Consume from a queue; reject the messages that the callback cannot read."""

        def read(message: Any) -> None:
            try:
                callback(message)
            except UNREADABLE as error:
                _count(error)
                # without an answer it would count for ever among the messages that are taken at a time, and come back
                if not message.acknowledged:
                    message.reject()

        return super().basic_consume(queue, no_ack, read, *args, **options)  # type: ignore[no-untyped-call]


class Transport(redis.Transport):
    """Redis, read by `Channel`."""

    Channel = Channel


def _count(error: Exception) -> None:
    log.warning("delivery_unreadable", reason=summary(error))
    metrics.UNREADABLE_DELIVERIES.inc()

"""Celery's transport for Redis, which survives messages that nobody can read."""

from typing import Any

import structlog
from kombu.transport import redis

from app.platform.jobs import metrics
from app.platform.tracebacks import summary

log = structlog.get_logger(__name__)

NAME = f"{__name__}:Transport"


class Channel(redis.Channel):
    """Discards unreadable messages, where kombu's own channel ends the worker."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            # Redis has removed the message already, and the relay repeats a delivery that was lost this way
            log.warning("delivery_unreadable", reason=summary(error))
            metrics.UNREADABLE_DELIVERIES.inc()
            return True


class Transport(redis.Transport):
    """Redis, read by `Channel`."""

    Channel = Channel

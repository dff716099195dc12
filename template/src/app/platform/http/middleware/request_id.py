"""Every request has an id: the client's when it is well-formed, else a new one."""

import re

from asgi_correlation_id import CorrelationIdMiddleware
from starlette.middleware import Middleware

# What UUIDs, trace ids and nginx's request ids are made of; long enough to be unique, short enough for a log line.
_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{8,128}")


def request_id_middleware() -> Middleware:
    """Takes `X-Request-ID`, or makes one, and puts it into the context and into the response."""
    return Middleware(
        CorrelationIdMiddleware,
        header_name="X-Request-ID",
        validator=lambda value: _WELL_FORMED.fullmatch(value) is not None,
    )

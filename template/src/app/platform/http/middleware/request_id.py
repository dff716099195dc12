"""Request ids: the client's if it is well-formed, else a new one."""

import re

from asgi_correlation_id import CorrelationIdMiddleware
from starlette.middleware import Middleware

# Matches UUIDs, trace ids and nginx's request ids; long enough to be unique, short enough for a log line.
_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{8,128}")


def request_id_middleware() -> Middleware:
    """Return middleware that reads or makes the `X-Request-ID`, and adds it to the context and to the response."""
    return Middleware(
        CorrelationIdMiddleware,
        header_name="X-Request-ID",
        validator=lambda value: _WELL_FORMED.fullmatch(value) is not None,
    )

"""The cause of a job: the id of the request that enqueued it and, if traces are on, the span.

Both are in the column `request_id`, the span at the end, after a space. So tracing needs no migration, and a worker
that does not trace, or of an earlier release, still runs the job.
"""

import re

from app.platform import tracing
from app.platform.context import request_id

LONGEST = 200
"""Characters of the column."""

# an id of the service's own, such as that of a command, may have spaces, too
_SPAN = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def current_cause() -> str | None:
    """Return what the column gets; the span is left out if there is no room for it."""
    current = request_id.get()
    if tracing.spans is None or (span := tracing.spans.current()) is None:
        return current
    both = f"{current or ''} {span}"
    return both if len(both) <= LONGEST else current


def parts(cause: str | None) -> tuple[str | None, str | None]:
    """Return the request id, and the span as the value of a header `traceparent`."""
    found, space, span = (cause or "").rpartition(" ")
    return (found or None, span) if space and _SPAN.fullmatch(span) else (cause or None, None)

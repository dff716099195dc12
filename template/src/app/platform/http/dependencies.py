"""Parameters that many routes have: the page of a list, the idempotency key."""

from typing import Annotated

from fastapi import Depends, Header, Query

from app.platform.db.pagination import CURSOR_PATTERN, Cursor, PageRequest


async def page_request(
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[
        str | None, Query(pattern=CURSOR_PATTERN, description="`next_cursor` of the page before.")
    ] = None,
) -> PageRequest:
    """Which page of a list is wanted."""
    return PageRequest(limit, Cursor.decode(cursor) if cursor else None)


Paging = Annotated[PageRequest, Depends(page_request)]

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[A-Za-z0-9._:-]{1,200}$",
        description="Repeat a request with the same key, and it has one effect and the same answer.",
    ),
]

"""Parameters that many routes share: the page of a list, the idempotency key."""

from typing import Annotated

from fastapi import Depends, Header, Query

from app.platform.db.pagination import CURSOR_PATTERN, Cursor, PageRequest


async def page_request(
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[
        str | None, Query(pattern=CURSOR_PATTERN, description="`next_cursor` of the previous page.")
    ] = None,
) -> PageRequest:
    """Return the page of a list that the request asks for."""
    return PageRequest(limit, Cursor.decode(cursor) if cursor else None)


Paging = Annotated[PageRequest, Depends(page_request)]

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[A-Za-z0-9._:-]{1,200}$",
        description="A request that is repeated with the same key takes effect once, and gets the same answer.",
    ),
]

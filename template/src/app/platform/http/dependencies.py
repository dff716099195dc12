"""Parameters that many routes share: the page of a list, the idempotency key."""

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

from fastapi import Depends, Header, Query
from fastapi.exceptions import RequestValidationError
from pydantic import WithJsonSchema

from app.platform.db.pagination import CURSOR_PATTERN, MAX_OFFSET, Cursor, OffsetRequest, PageRequest
from app.platform.db.sorting import Sorting

Limit = Annotated[int, Query(ge=1, le=100)]
_CURSOR = "`next_cursor` of the previous page."


async def page_request(
    limit: Limit = 50,
    cursor: Annotated[str | None, Query(pattern=CURSOR_PATTERN, description=_CURSOR)] = None,
) -> PageRequest:
    """Return the page of a list that the request asks for."""
    return PageRequest(limit, Cursor.decode(cursor) if cursor else None)


Paging = Annotated[PageRequest, Depends(page_request, scope="request")]


def sorted_by(*sortings: Sorting) -> Callable[..., Awaitable[PageRequest]]:
    """Return a dependency like `page_request`, for pages that are sorted in one of these ways.

    The parameter `sort` chooses by name; without it, the first one applies. A cursor of another sorting is refused.
    """
    by_name = {sorting.name: sorting for sorting in sortings}
    cursors = f"^({'|'.join(sorting.pattern for sorting in sortings)})$"
    names = Literal[*by_name]  # type: ignore[valid-type]
    # checked below, because a message with the pattern would be no help
    described = Annotated[str, WithJsonSchema({"type": "string", "pattern": cursors})]

    async def sorted_page_request(
        limit: Limit = 50,
        cursor: Annotated[described | None, Query(description=f"{_CURSOR} Repeat its `sort`.")] = None,
        sort: Annotated[names, Query(description="`-`: the largest first.")] = sortings[0].name,
    ) -> PageRequest:
        sorting = by_name[sort]
        if cursor is not None and not re.fullmatch(sorting.pattern, cursor):
            message = f"This is no cursor of pages sorted by {sorting.name}"
            raise RequestValidationError([{"loc": ("query", "cursor"), "type": "cursor", "msg": message}])
        return PageRequest(limit, sorting.decode(cursor) if cursor else None, sorting)

    return sorted_page_request


async def offset_request(
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
    limit: Limit = 50,
) -> OffsetRequest:
    """Return the page of a list that the request asks for, by the number of rows before it."""
    return OffsetRequest(offset, limit)


OffsetPaging = Annotated[OffsetRequest, Depends(offset_request)]

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[A-Za-z0-9._:-]{1,200}$",
        description="A request that is repeated with the same key takes effect once, and gets the same answer.",
    ),
]

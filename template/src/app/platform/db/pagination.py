"""Keyset pagination: inserts do not shift the pages, and the last page is as fast as the first. Pages by offset, too.

Pages are sorted newest first, or as a `Sorting` says. The models need the mixin UuidKey, for pages sorted newest first
also Timestamps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import ConfigDict
from sqlalchemy import ColumnElement, true, tuple_

from app.platform.db.sorting import Position, Sorting

ItemT = TypeVar("ItemT")

# Microseconds since 1970 and a key. Every text that matches is a valid position, so decoding needs no further checks.
CURSOR_PATTERN = r"^[0-9]{1,16}\.[0-9a-f]{32}$"
_EPOCH = datetime.fromtimestamp(0, UTC)
_TICK = timedelta(microseconds=1)

MAX_OFFSET = 10_000
"""The largest offset of a page: PostgreSQL reads all rows before it, and throws them away."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The position of the last row of a page; the next page begins after it."""

    created_at: datetime
    id: UUID

    def encode(self) -> str:
        """Return the cursor as text that matches `CURSOR_PATTERN`."""
        return f"{(self.created_at - _EPOCH) // _TICK}.{self.id.hex}"

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Return the cursor that `encode` made this text from.

        Raises:
            ValueError: the text does not match `CURSOR_PATTERN`.
        """
        ticks, _, key = text.partition(".")
        return cls(_EPOCH + int(ticks) * _TICK, UUID(hex=key))


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The requested page: at most `limit` rows after the cursor `after`, or the first rows without a cursor.

    With a `sorting` the rows are sorted by it, and `after` is one of its positions; else they are newest first.
    """

    limit: int = 50
    after: Cursor | Position | None = None
    sorting: Sorting | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[ItemT]):
    """The rows of a page, and the cursor for the next page; `None` on the last page."""

    # OpenAPI requires `next_cursor`, because it is always sent
    __pydantic_config__ = ConfigDict(json_schema_serialization_defaults_required=True)

    items: list[ItemT]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class OffsetRequest:
    """The requested page: at most `limit` rows, without the first `offset` rows."""

    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True)
class OffsetPage(Generic[ItemT]):
    """The rows of a page, and the number of all rows."""

    items: list[ItemT]
    total: int


def after_cursor(model: type[Any], request: PageRequest) -> ColumnElement[bool]:
    """Return the condition for the rows after the request's cursor; without a cursor, for all rows.

    Raises:
        ValueError: the cursor belongs to another sorting, or the sorting to another model.
    """
    after, sorting = request.after, request.sorting
    if sorting and sorting.model is not model:
        message = f"this sorts {sorting.model.__name__}, not {model.__name__}"
        raise ValueError(message)
    match after:
        case None:
            return true()
        case Cursor() if sorting is None:
            return tuple_(model.created_at, model.id) < tuple_(after.created_at, after.id)
        case Position() if after.sorting is sorting:
            return after.sorting.after(after)
    message = "the cursor belongs to pages that are sorted in another way"
    raise ValueError(message)


def sorted_by(model: type[Any], request: PageRequest) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Return the columns that the pages are sorted by; the model needs an index that ends in these columns."""
    return request.sorting.columns if request.sorting else (model.created_at.desc(), model.id.desc())


def key_of(model: type[Any]) -> Sequence[ColumnElement[Any]]:
    """Return the primary key: the last columns of pages by offset, or equal rows could be on two pages."""
    key: Sequence[ColumnElement[Any]] = model.__mapper__.primary_key
    return key


def to_page(rows: Sequence[ItemT], request: PageRequest) -> Page[ItemT]:
    """Return a page. The query must ask for one row more than the limit, which tells if a next page exists."""
    if len(rows) <= request.limit:
        return Page(list(rows))
    last: Any = rows[request.limit - 1]
    end = request.sorting.position_of(last) if request.sorting else Cursor(last.created_at, last.id)
    return Page(list(rows[: request.limit]), end.encode())

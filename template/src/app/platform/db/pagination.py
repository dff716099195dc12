"""Keyset pagination, newest first: inserts do not shift the pages, and the last page is as fast as the first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import ConfigDict
from sqlalchemy import ColumnElement, true, tuple_

ItemT = TypeVar("ItemT")

# Microseconds since 1970 and a key. Every text that matches is a valid position, so decoding needs no further checks.
CURSOR_PATTERN = r"^[0-9]{1,16}\.[0-9a-f]{32}$"
_EPOCH = datetime.fromtimestamp(0, UTC)
_TICK = timedelta(microseconds=1)


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
    """The requested page: at most `limit` rows after the cursor `after`, or the first rows without a cursor."""

    limit: int = 50
    after: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[ItemT]):
    """The rows of a page, and the cursor for the next page; `None` on the last page."""

    # OpenAPI requires `next_cursor`, because it is always sent
    __pydantic_config__ = ConfigDict(json_schema_serialization_defaults_required=True)

    items: list[ItemT]
    next_cursor: str | None = None


# Pages are sorted by columns of the mixins UuidKey and Timestamps, so the models below need both mixins.


def newest_first(model: type[Any]) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Return the columns that pages are sorted by; the model needs an index that ends in these columns."""
    return model.created_at.desc(), model.id.desc()


def after_cursor(model: type[Any], cursor: Cursor | None) -> ColumnElement[bool]:
    """Return the condition for the rows after the cursor; without a cursor, for all rows."""
    if cursor is None:
        return true()
    return tuple_(model.created_at, model.id) < tuple_(cursor.created_at, cursor.id)


def to_page(rows: Sequence[ItemT], limit: int) -> Page[ItemT]:
    """Return a page of at most `limit` rows. The query must ask for one row more, which tells if a next page exists."""
    if len(rows) <= limit:
        return Page(list(rows))
    last: Any = rows[limit - 1]
    return Page(list(rows[:limit]), Cursor(last.created_at, last.id).encode())

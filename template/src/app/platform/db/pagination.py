"""Keyset pagination, newest first: stable while rows are inserted, and the last page is as fast as the first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, true, tuple_

ItemT = TypeVar("ItemT")


# Microseconds since 1970 and a key: every word of this form is a position, so there is no invalid one to refuse.
CURSOR_PATTERN = r"^[0-9]{1,16}\.[0-9a-f]{32}$"
_EPOCH = datetime.fromtimestamp(0, UTC)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The position after one row: the next page begins behind it."""

    created_at: datetime
    id: UUID

    def encode(self) -> str:
        """The cursor as one word that matches `CURSOR_PATTERN`."""
        return f"{(self.created_at - _EPOCH) // _TICK}.{self.id.hex}"

    @classmethod
    def decode(cls, word: str) -> "Cursor":
        """Read a word that matches `CURSOR_PATTERN`.

        Raises:
            ValueError: it does not match.
        """
        ticks, _, key = word.partition(".")
        return cls(_EPOCH + int(ticks) * _TICK, UUID(hex=key))


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page is wanted: at most `limit` rows after `after`, from the start without it."""

    limit: int = 50
    after: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[ItemT]):
    """Rows, and where the next page begins; `None` when there is no more."""

    items: list[ItemT]
    next_cursor: str | None = None


# The models below have the columns of the mixins UuidKey and Timestamps, which pages are sorted by.


def newest_first(model: type[Any]) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """The order of every page; give the model an index that ends in it."""
    return model.created_at.desc(), model.id.desc()


def behind(model: type[Any], cursor: Cursor | None) -> ColumnElement[bool]:
    """The condition for the rows that come after the cursor, all of them without one."""
    if cursor is None:
        return true()
    return tuple_(model.created_at, model.id) < tuple_(cursor.created_at, cursor.id)


def cut(rows: Sequence[ItemT], limit: int) -> Page[ItemT]:
    """Make a page of at most `limit` of the rows, of which one more than that was asked for."""
    if len(rows) <= limit:
        return Page(list(rows))
    last: Any = rows[limit - 1]
    return Page(list(rows[:limit]), Cursor(last.created_at, last.id).encode())

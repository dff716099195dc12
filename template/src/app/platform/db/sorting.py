"""Pages sorted by other columns than newest first, and their cursors."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Date, DateTime, Enum, Numeric, String, Uuid, literal, tuple_
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import TypeEngine

MAX_TEXT = 500
"""The most characters of a text that pages can be sorted by, because a cursor has all of it, and URLs are short."""

_EPOCH = datetime.fromtimestamp(0, UTC)
_TICK = timedelta(microseconds=1)
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class _Form:
    """How a value is written in a cursor. Every text that matches `pattern` can be read."""

    pattern: str
    write: Callable[[Any], str]
    read: Callable[[str], Any]
    # of the parameter: not the column's, which may be too narrow for what clients send
    type: TypeEngine[Any]


def _within(number: int, lowest: int, highest: int) -> int:
    return min(max(number, lowest), highest)


def _moment(text: str) -> datetime:
    return _EPOCH + _within(int(text), (_FIRST - _EPOCH) // _TICK, (_LAST - _EPOCH) // _TICK) * _TICK


def _text(text: str) -> str:
    # a single character after groups of four is no byte; PostgreSQL's text cannot have NUL
    whole = text[:-1] if len(text) % 4 == 1 else text
    decoded = base64.urlsafe_b64decode(whole + "=" * (-len(whole) % 4)).decode(errors="replace")
    return decoded.replace("\0", "")


_TEXT = _Form(
    # a character of UTF-8 has at most 4 bytes, and 3 bytes are 4 characters here
    f"[A-Za-z0-9_-]{{0,{(MAX_TEXT * 16 + 8) // 3}}}",
    lambda text: base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode(),
    _text,
    String(),
)
_FORMS: dict[type, _Form] = {
    str: _TEXT,
    int: _Form("-?[0-9]{1,19}", str, lambda text: _within(int(text), -(2**63), 2**63 - 1), BigInteger()),
    # as many digits as a column with a precision can have
    Decimal: _Form(r"-?[0-9]{1,1000}(\.[0-9]{1,1000})?", lambda number: f"{number:f}", Decimal, Numeric()),
    date: _Form(
        "[0-9]{1,7}",
        lambda day: str(day.toordinal()),
        lambda text: date.fromordinal(_within(int(text), 1, date.max.toordinal())),
        Date(),
    ),
    datetime: _Form(
        "-?[0-9]{1,18}",
        lambda moment: str((moment - _EPOCH) // _TICK),
        _moment,
        DateTime(timezone=True),
    ),
}


@dataclass(frozen=True, slots=True)
class Position:
    """The position of the last row of a page; the next page begins after it."""

    sorting: "Sorting"
    # as the column stores it: of an enum its text, not the member
    value: Any
    id: UUID

    def encode(self) -> str:
        """Return the cursor as text that matches the `pattern` of its sorting."""
        return f"{self.sorting.name}.{self.sorting.form.write(self.value)}.{self.id.hex}"


class Sorting:
    """Pages sorted by a column, and by id where the column has equal values. The model needs an index for it.

    It is called `name`, or else like the attribute, with `-` before it if the largest value comes first; cursors begin
    with that.

    Raises:
        ValueError: pages cannot be sorted by this column, or the name is not made of letters, digits and underscores.
    """

    def __init__(
        self, column: InstrumentedAttribute[Any], *, descending: bool = False, name: str | None = None
    ) -> None:
        if name is not None and not (name.isascii() and name.isidentifier()):
            message = f"a sorting cannot be called {name!r}: use letters, digits and underscores"
            raise ValueError(message)
        self.model = column.class_
        self.key: str = column.key
        self.name = f"-{name or column.key}" if descending else name or column.key
        self.form = _form_of(column)
        self.pattern = rf"{self.name}\.{self.form.pattern}\.[0-9a-f]{{32}}"
        self._column = column
        self._stored = _stored_by(column)
        self._descending = descending

    @property
    def columns(self) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        """The columns that the rows are sorted by."""
        columns = (self._column, self.model.id)
        first, second = (column.desc() if self._descending else column.asc() for column in columns)
        return first, second

    def after(self, position: Position) -> ColumnElement[bool]:
        """Return the condition for the rows after the position."""
        row = tuple_(self._column, self.model.id)
        last = tuple_(literal(position.value, self.form.type), literal(position.id, Uuid()))
        return row < last if self._descending else row > last

    def position_of(self, row: Any) -> Position:
        """Return the position of a row."""
        return Position(self, self._stored(getattr(row, self._column.key)), row.id)

    def decode(self, text: str) -> Position:
        """Return the position that `encode` made this text from.

        Raises:
            ValueError: it is a cursor of another sorting, or none.
        """
        name, _, rest = text.partition(".")
        value, _, key = rest.rpartition(".")
        if name != self.name:
            message = f"this is no cursor of pages sorted by {self.name}"
            raise ValueError(message)
        return Position(self, self.form.read(value), UUID(hex=key))


def _stored_by(column: InstrumentedAttribute[Any]) -> Callable[[Any], Any]:
    """Return the function from an attribute's value to what the column stores."""
    kind = column.property.columns[0].type
    if isinstance(kind, Enum):
        # `str` of a member is its value only if the enum is a StrEnum
        return kind.bind_processor(_DIALECT)  # type: ignore[no-any-return, no-untyped-call]
    return lambda value: value


def _form_of(column: InstrumentedAttribute[Any]) -> _Form:
    (stored,) = column.property.columns
    if reason := _refusal(stored.type, nullable=bool(stored.nullable)):
        message = f"{column.class_.__name__}.{column.key} {reason}"
        raise ValueError(message)
    return _TEXT if isinstance(stored.type, Enum) else _FORMS[stored.type.python_type]


def _refusal(kind: TypeEngine[Any], *, nullable: bool) -> str | None:
    """Return why pages cannot be sorted by a column of this type."""
    if nullable:
        return "may be NULL, which is neither before nor after other values"
    if isinstance(kind, Enum):
        native = "is an enum of PostgreSQL's own: leave its type out, or use native_enum=False"
        return native if kind.native_enum else None
    if kind.python_type is str and not 1 <= (getattr(kind, "length", None) or 0) <= MAX_TEXT:
        return f"needs a length of at most {MAX_TEXT}, because cursors have its whole text"
    if kind.python_type not in _FORMS:
        return (
            f"has another type: pages can be sorted by {', '.join(sorted(each.__name__ for each in _FORMS))}, and enums"
        )
    if kind.python_type is datetime and not getattr(kind, "timezone", True):
        return "has no time zone, so its values are no moments: leave its type out, or use DateTime(timezone=True)"
    return None

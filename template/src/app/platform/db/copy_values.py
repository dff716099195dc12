"""The rows of a COPY: which columns they have, and the Python values that the driver encodes.

A binary COPY is encoded by the driver, and PostgreSQL does not convert it. psycopg cuts off the upper bits of an
integer that is too large, also at the end of a range, and asyncpg the fraction of a float in an integer column, both
without an error; a decimal beyond the range of `numeric` fails in both in ways of their own. So the values of these
columns are checked here.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, time
from decimal import Decimal
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Float,
    Integer,
    Numeric,
    SmallInteger,
    Table,
    Time,
    TypeDecorator,
)
from sqlalchemy.types import TypeEngine

from app.platform.db.base import Base
from app.platform.db.numbers import storable
from app.platform.db.ranges import type_of_ends, with_ends
from app.platform.errors import ValueRefused

Convert = Callable[[Any], Any]
Row = Mapping[str, Any] | Sequence[Any]

_LARGEST_SINGLE = (2 - 2**-23) * 2.0**127
"""The largest number of the type `real`."""


class CopyRows:
    """Makes the values that a COPY sends from the rows of a caller.

    Rows are mappings with the same keys, or with `columns` sequences of that length. The columns that they leave out
    get their Python default, or are left to the server.
    """

    def __init__(self, model: type[Base], dialect: Dialect, first: Row, columns: Sequence[str] | None) -> None:
        self._model = model
        self._mapped = columns is None
        self._keys = tuple(_keys_of(first) if columns is None else columns)
        by_key = _columns_of(model)
        if unknown := set(self._keys).difference(by_key):
            message = f"{model.__name__} has no column {', '.join(map(repr, sorted(unknown)))}"
            raise ValueError(message)
        defaults = {key: make for key, column in by_key.items() if (make := self._default(key, column))}
        self.columns: tuple[Column[Any], ...] = tuple(by_key[key] for key in (*self._keys, *defaults))
        self._defaults = tuple(defaults.values())
        # itemgetter returns a tuple only for several keys
        several = len(self._keys) > 1
        self._take: Convert = itemgetter(*self._keys) if several else lambda row: [row[key] for key in self._keys]
        conversions = [_conversion(column, dialect) for column in self.columns]
        self._conversions = [(place, convert) for place, convert in enumerate(conversions) if convert]

    @property
    def table(self) -> Table:
        """Return the table of the model."""
        return cast("Table", self._model.__table__)

    def values(self, rows: Sequence[Row], number: int) -> list[Sequence[Any]]:
        """Return the values of each row in the sequence of `columns`; `number` is that of the first row, for messages.

        Raises:
            ValueError: a row has other keys than the first one, or a value of another type than the column.
            ValueRefused: a number is too large for its column.
        """
        with suppress(ArithmeticError, AttributeError, LookupError, TypeError, ValueError, ValueRefused):
            if {len(self._keys)} == set(map(len, rows)):
                return self._by_column(rows)
        # finds the row that is wrong
        return [self._values_of(row, each) for each, row in enumerate(rows, start=number)]

    def _by_column(self, rows: Sequence[Row]) -> list[Sequence[Any]]:
        # takes half a microsecond less for a row than row by row does: a quarter of a COPY
        columns: list[Sequence[Any]] = list(zip(*(map(self._take, rows) if self._mapped else rows), strict=True))
        columns += [[make() for _ in rows] for make in self._defaults]
        for place, convert in self._conversions:
            columns[place] = [convert(value) for value in columns[place]]
        return list(zip(*columns, strict=True))

    def _values_of(self, row: Row, number: int) -> list[Any]:
        if len(row) != len(self._keys):
            raise self._other_shape(number)
        try:
            values = [*(self._take(row) if self._mapped else row), *[make() for make in self._defaults]]
        except (KeyError, TypeError) as error:
            raise self._other_shape(number) from error
        place = 0
        try:
            for place, convert in self._conversions:
                values[place] = convert(values[place])
        except (OverflowError, ValueRefused) as error:
            raise self.too_large(number) from error
        except (TypeError, ValueError, AttributeError) as error:
            raise self.refused(number, self.columns[place].key) from error
        return values

    def too_large(self, number: int) -> ValueRefused:
        """Return the error for a number that does not fit into its column."""
        return ValueRefused(f"Row {number} of {self._model.__name__}: a number is too large for its column.")

    def refused(self, number: int, key: str | None = None) -> ValueError:
        """Return the error for a value that the driver cannot store; it does not show the value."""
        where = f"the value of {key!r}" if key else "a value"
        return ValueError(f"row {number} of {self._model.__name__}: {where} has the wrong type for its column")

    def _other_shape(self, number: int) -> ValueError:
        keys = ", ".join(self._keys)
        return ValueError(f"row {number} of {self._model.__name__}: expected exactly these columns: {keys}")

    def _default(self, key: str, column: Column[Any]) -> Callable[[], Any] | None:
        default: Any = column.default
        if key in self._keys or default is None:
            return None
        if default.is_scalar:
            return lambda: default.arg
        if default.is_callable:
            return lambda: default.arg(None)
        name = f"{self._model.__name__}.{key}"
        message = f"the default of {name} is SQL, which COPY cannot run: give its value in each row"
        raise ValueError(message)


def _keys_of(row: Row) -> Sequence[str]:
    if isinstance(row, Mapping):
        return tuple(row)
    message = "the rows are not mappings: name their columns with `columns`"
    raise TypeError(message)


def _columns_of(model: type[Base]) -> dict[str, Column[Any]]:
    mapper = model.__mapper__
    if mapper.inherits or len(mapper.tables) > 1:
        message = f"{model.__name__} inherits from another model: COPY writes the columns of one table only"
        raise ValueError(message)
    return {attribute.key: cast("Column[Any]", attribute.columns[0]) for attribute in mapper.column_attrs}


def _conversion(column: Column[Any], dialect: Dialect) -> Convert | None:
    kind = column.type.dialect_impl(dialect)
    bind = kind.bind_processor(dialect)
    own = kind.impl_instance if isinstance(kind, TypeDecorator) else None
    check = _single if isinstance(column.type, REAL) else _check(own or kind)
    if bind is None or check is None:
        return bind or check
    # what a type of the owner's makes of a value is checked; else what was given, which the driver's type may change
    return (lambda value: check(bind(value))) if own else (lambda value: bind(check(value)))


def _check(kind: TypeEngine[Any]) -> Convert | None:
    if isinstance(kind, ARRAY):
        return _array(_check(kind.item_type))
    if isinstance(kind, Integer):
        bits = 63 if isinstance(kind, BigInteger) else 15 if isinstance(kind, SmallInteger) else 31
        return _integer(2**bits)
    if isinstance(kind, Numeric) and not isinstance(kind, Float):
        return _decimal
    if ends := type_of_ends(kind):
        check = None if isinstance(ends, DateTime) else _check(ends)
        return check and (lambda value: with_ends(value, check))
    return _aware if isinstance(kind, DateTime | Time) and kind.timezone else None


def _integer(limit: int) -> Convert:
    def check(value: Any) -> Any:
        if value is None or (isinstance(value, int) and -limit <= value < limit):
            return value
        raise OverflowError if isinstance(value, int) else TypeError

    return check


def _array(check: Convert | None) -> Convert:
    def convert(value: Any) -> Any:
        if isinstance(value, list | tuple):
            # psycopg needs lists
            return [convert(item) for item in value]
        return check(value) if check else value

    return convert


def _decimal(value: Any) -> Any:
    return Decimal(str(value)) if isinstance(value, float) else storable(value)


def _single(value: Any) -> Any:
    # psycopg would store infinity
    if value is not None and _LARGEST_SINGLE < abs(value) < math.inf:
        raise OverflowError
    return value


def _aware(value: Any) -> Any:
    # asyncpg would take the time zone of the process, and has none for a time
    if isinstance(value, datetime | time) and value.tzinfo is None:
        raise TypeError
    return value

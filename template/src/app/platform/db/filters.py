"""Filters by name: `total_cents__ge=1000`."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, ColumnExpressionArgument, cast
from sqlalchemy.sql.operators import ColumnOperators

from app.platform.db.base import Base
from app.platform.db.ranges import type_of_ends

Condition = ColumnExpressionArgument[bool]

_OPERATORS: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "eq": lambda column, value: column == value,
    "ne": lambda column, value: column != value,
    "lt": lambda column, value: column < value,
    "le": lambda column, value: column <= value,
    "gt": lambda column, value: column > value,
    "ge": lambda column, value: column >= value,
    "in": lambda column, values: column.in_(values),
    "not_in": lambda column, values: column.not_in(values),
    "like": lambda column, pattern: column.like(pattern),
    "ilike": lambda column, pattern: column.ilike(pattern),
    "contains": lambda column, part: column.contains(_inside(column, part), **_escaping(column)),
    "starts_with": lambda column, text: column.startswith(text, autoescape=True),
    "is_null": lambda column, yes: column.is_(None) if yes else column.is_not(None),
}


# what may be inside of a range whose ends are of the first type
_PARTS: dict[type, tuple[type, ...]] = {
    int: (int,),
    Decimal: (int, float, Decimal),
    date: (date,),
    datetime: (datetime,),
}


def _inside(column: Any, part: object) -> Any:
    # the driver's type of a number or a moment may be another one than that of the range's ends
    ends = type_of_ends(column.type)
    return part if ends is None or type(part) not in _PARTS[ends.python_type] else cast(part, ends)


def _escaping(column: Any) -> dict[str, bool]:
    # arrays, ranges and JSON have an operator of their own instead of LIKE
    likes = column.type.comparator_factory.contains is ColumnOperators.contains
    return {"autoescape": True} if likes else {}


def split(model: type[Base], name: str) -> tuple[str, str]:
    """Return the column and the operator of a filter such as `total_cents__ge`; without an operator, `eq` applies.

    Raises:
        ValueError: the column or the operator does not exist.
    """
    column, separator, operator = name.partition("__")
    if column not in model.__mapper__.column_attrs:
        message = f"filter {name!r}: {model.__name__} has no column {column!r}"
        raise ValueError(message)
    chosen = operator if separator else "eq"
    if chosen not in _OPERATORS:
        message = f"filter {name!r}: no operator {operator!r} for column {column!r}, only {', '.join(_OPERATORS)}"
        raise ValueError(message)
    return column, chosen


def compare(column: Any, operator: str, value: object) -> ColumnElement[bool]:
    """Return the condition that compares a column with a value."""
    return _OPERATORS[operator](column, value)


def condition(model: type[Base], name: str, value: object) -> ColumnElement[bool]:
    """Return the condition for a filter such as `total_cents__ge=1000`.

    Raises:
        ValueError: the column or the operator does not exist.
    """
    column, operator = split(model, name)
    return compare(getattr(model, column), operator, value)

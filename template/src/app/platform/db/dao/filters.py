"""Conditions written as keyword arguments: `status="paid"`, `total_cents__ge=1000`."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, ColumnExpressionArgument

from app.platform.db.base import Base

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
    "contains": lambda column, text: column.contains(text, autoescape=True),
    "starts_with": lambda column, text: column.startswith(text, autoescape=True),
    "is_null": lambda column, yes: column.is_(None) if yes else column.is_not(None),
}


def condition(model: type[Base], name: str, value: object) -> ColumnElement[bool]:
    """Return the condition for a filter such as `total_cents__ge=1000`; without an operator, `eq` applies.

    Raises:
        ValueError: the column or the operator does not exist.
    """
    column, separator, operator = name.partition("__")
    if column not in model.__mapper__.column_attrs:
        message = f"filter {name!r}: {model.__name__} has no column {column!r}"
        raise ValueError(message)
    compare = _OPERATORS.get(operator if separator else "eq")
    if compare is None:
        message = f"filter {name!r}: no operator {operator!r} for column {column!r}, only {', '.join(_OPERATORS)}"
        raise ValueError(message)
    return compare(getattr(model, column), value)

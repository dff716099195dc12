"""The declarative base class of all models, and the column types of plain annotations."""

import enum
from collections.abc import Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, Enum, Integer, MetaData, String, Table, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.mutable import MutableDict, MutableList
from sqlalchemy.orm import DeclarativeBase


def of_type(check: CheckConstraint) -> bool:
    """Return whether a column's type brought this CHECK, as an enum does."""
    # SQLAlchemy has no public name for it
    return bool(getattr(check, "_type_bound", False))


def _check_name(constraint: CheckConstraint, table: Table) -> str:
    """Return the constraint's own name; the CHECK of an enum is named as its column, not as the enum's class.

    Raises:
        InvalidRequestError: the constraint has no name.
    """
    unnamed = not isinstance(constraint.name, str)
    for column in constraint.columns if of_type(constraint) else ():
        # that of a Literal has no name
        if unnamed or (isinstance(column.type, Enum) and constraint.name == column.type.name):
            return column.name
    if unnamed:
        message = f'a CHECK of {table.name} has no name: {constraint.sqltext}; give it one, such as name="total"'
        raise InvalidRequestError(message)
    return str(constraint.name)


# Gives every constraint a predictable name, which migrations drop it by and `errors.violates` compares.
NAMING_CONVENTION: dict[str, Any] = {
    "check_constraint_name": _check_name,
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(check_constraint_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}
# The longest value of an enum. Fixed, so that a new member changes the CHECK alone, not the type of the column.
ENUM_LENGTH = 64


def _values(members: Sequence[enum.Enum]) -> list[str]:
    return [str(member.value) for member in members]


# Stores the values, not the names, of the members as text, and checks them: unlike a type of PostgreSQL's own, a CHECK
# can be changed in both directions, and in the transaction of a migration.
_ENUM = Enum(
    enum.Enum,
    native_enum=False,
    create_constraint=True,
    length=ENUM_LENGTH,
    values_callable=_values,
    # a value that the database has and this release does not know is an error at the read, not an empty attribute
    validate_strings=True,
)


class Base(DeclarativeBase):
    """The base class of all models. INSERT and UPDATE return the values that the server computes: no lazy loading.

    Columns of these annotations need no type. Changes inside a `dict` or a list are saved; changes further inside are
    not, so assign a new value then.
    """

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = MappingProxyType(
        {
            # PostgreSQL's other type, without a time zone, means another moment on each server
            datetime: DateTime(timezone=True),
            enum.Enum: _ENUM,
            Literal: _ENUM,
            dict[str, Any]: MutableDict.as_mutable(JSONB),
            list[str]: MutableList.as_mutable(ARRAY(String)),
            list[int]: MutableList.as_mutable(ARRAY(Integer)),
            list[UUID]: MutableList.as_mutable(ARRAY(Uuid)),
        }
    )
    __mapper_args__ = MappingProxyType({"eager_defaults": True})

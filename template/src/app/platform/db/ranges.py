"""Ranges: what the drivers do with values of other columns, they do not do with the ends of ranges."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any

from sqlalchemy import BigInteger, Date, DateTime, Integer, Numeric
from sqlalchemy.dialects.postgresql import (
    DATEMULTIRANGE,
    DATERANGE,
    INT4MULTIRANGE,
    INT4RANGE,
    INT8MULTIRANGE,
    INT8RANGE,
    NUMMULTIRANGE,
    NUMRANGE,
    TSMULTIRANGE,
    TSRANGE,
    TSTZMULTIRANGE,
    TSTZRANGE,
    Range,
)
from sqlalchemy.types import TypeEngine

Convert = Callable[[Any], Any]

_ENDS: tuple[tuple[type[TypeEngine[Any]], type[TypeEngine[Any]], TypeEngine[Any]], ...] = (
    (INT4RANGE, INT4MULTIRANGE, Integer()),
    (INT8RANGE, INT8MULTIRANGE, BigInteger()),
    (NUMRANGE, NUMMULTIRANGE, Numeric()),
    (DATERANGE, DATEMULTIRANGE, Date()),
    (TSRANGE, TSMULTIRANGE, DateTime()),
    (TSTZRANGE, TSTZMULTIRANGE, DateTime(timezone=True)),
)


def type_of_ends(kind: TypeEngine[Any]) -> TypeEngine[Any] | None:
    """Return the type of the ends of a range, or of several; `None` for the type of anything else."""
    return next((ends for one, several, ends in _ENDS if isinstance(kind, one | several)), None)


def in_utc(value: Any) -> Any:
    """Return a moment or a time without a time zone in UTC, as the server takes it; anything else as it is."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime | time) and value.tzinfo is None else value


def without_zone(value: Any) -> Any:
    """Return a moment with a time zone as UTC has it, without the zone; anything else as it is."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def to_column(kind: TypeEngine[Any]) -> Convert | None:
    """Return what makes of a moment one of this type, with or without a time zone; `None` for other types."""
    if not isinstance(kind, DateTime):
        return None
    return in_utc if kind.timezone else without_zone


def with_ends(value: Any, convert: Convert) -> Any:
    """Return a range, or several, with converted ends; anything else as it is, such as `None`."""
    if isinstance(value, Range):
        return replace(value, lower=convert(value.lower), upper=convert(value.upper))
    if isinstance(value, list | tuple | set | frozenset):
        return [with_ends(each, convert) for each in value]
    return value

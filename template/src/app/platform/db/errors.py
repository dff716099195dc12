"""Translate errors of PostgreSQL and SQLAlchemy into the service's own errors.

The codes are SQLSTATEs (https://www.postgresql.org/docs/current/errcodes-appendix.html). Both drivers provide them as
`orig.sqlstate`.
"""

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.platform.db import driver
from app.platform.errors import (
    AppError,
    DatabaseUnavailable,
    IntegrityConflict,
    PoolExhausted,
    QueryTimeout,
    ValueRefused,
    WriteConflict,
)

_BY_SQLSTATE: dict[str, type[AppError]] = {
    "22001": ValueRefused,  # string_data_right_truncation: longer than the column
    "22003": ValueRefused,  # numeric_value_out_of_range
    "22008": ValueRefused,  # datetime_field_overflow
    "22021": ValueRefused,  # character_not_in_repertoire: NUL in text
    "22P05": ValueRefused,  # untranslatable_character: NUL in jsonb
    "25P03": QueryTimeout,  # idle_in_transaction_session_timeout
    "40001": WriteConflict,  # serialization_failure
    "40P01": WriteConflict,  # deadlock_detected
    "55P03": WriteConflict,  # lock_not_available
    "57014": QueryTimeout,  # query_canceled
}
_BY_CLASS: dict[str, type[AppError]] = {
    "08": DatabaseUnavailable,  # connection exception
    "23": IntegrityConflict,  # integrity constraint violation
    "53": DatabaseUnavailable,  # insufficient resources
    "57": DatabaseUnavailable,  # operator intervention: shutting down, starting up
    "58": DatabaseUnavailable,  # system error outside PostgreSQL
}


def violates(error: IntegrityError, constraint: str) -> bool:
    """Return whether the error is a violation of the named constraint."""
    return driver.constraint_name(error) == constraint


def translate(error: SQLAlchemyError) -> AppError | None:
    """Return the expected failure that caused a database error; `None` when the error is a bug in the service."""
    if isinstance(error, PoolTimeoutError):
        return PoolExhausted()
    if not isinstance(error, DBAPIError):
        return None
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    kind = _BY_SQLSTATE.get(sqlstate) or _BY_CLASS.get(sqlstate[:2])
    if kind is None and driver.refuses_value(error):
        kind = ValueRefused
    if kind is None and error.connection_invalidated:
        kind = DatabaseUnavailable
    return kind() if kind else None

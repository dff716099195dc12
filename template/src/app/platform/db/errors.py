"""What errors of PostgreSQL and SQLAlchemy mean: the answer, the fate of the connection, and whether to repeat.

The codes are SQLSTATEs (https://www.postgresql.org/docs/current/errcodes-appendix.html).
"""

from dataclasses import dataclass
from enum import Enum, auto

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.platform.db import driver
from app.platform.db.connecting import NoAnswer
from app.platform.errors import (
    AppError,
    DatabaseUnavailable,
    IntegrityConflict,
    PoolExhausted,
    QueryTimeout,
    ValueRefused,
    WriteConflict,
)


class Goes(Enum):
    """Which connections an error makes useless."""

    NONE = auto()
    THIS = auto()
    # all that are open: the server they lead to is another one now, or a different kind of server
    ALL = auto()


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an error means.

    Attributes:
        cause: its name in the metrics.
        answer: what the client is told.
        goes: the connections that are thrown away.
        repeatable: whether the same unit of work may succeed when it is repeated; it had no effect.
    """

    cause: str
    answer: type[AppError]
    goes: Goes = Goes.NONE
    repeatable: bool = False


_VALUE = Meaning("value_refused", ValueRefused)
_LOST = Meaning("connection_lost", DatabaseUnavailable, Goes.ALL, repeatable=True)
# what was asked for may still be going on, so it is not repeated
_NO_ANSWER = Meaning("no_answer", DatabaseUnavailable, Goes.ALL)
_RESOURCES = Meaning("insufficient_resources", DatabaseUnavailable)
# the connection has other prepared statements than the driver believes: a pooler, or DISCARD ALL
_PREPARED = Meaning("prepared_statement_lost", DatabaseUnavailable, Goes.THIS, repeatable=True)
# a migration changed the types of a statement's result, so this may be true of all connections
_PLAN = Meaning("plan_outdated", DatabaseUnavailable, Goes.ALL, repeatable=True)
# counted by the gate of the pool, as db_pool_timeouts_total
_POOL = Meaning("pool_exhausted", PoolExhausted)

# with these the server ends a connection, or the driver gives it up, before the statement is committed
_NOT_COMMITTED = {"25006", "25P03", "25P04", "26000", "42P05", "57P01", "57P05"}

NOT_CONNECTED = Meaning("not_connected", DatabaseUnavailable, repeatable=True)
"""A failed connection attempt, whatever the server or the network says (`safety.py`)."""

BY_SQLSTATE: dict[str, Meaning] = {
    "22001": _VALUE,  # string_data_right_truncation: longer than the column
    "22003": _VALUE,  # numeric_value_out_of_range
    "22008": _VALUE,  # datetime_field_overflow
    "22021": _VALUE,  # character_not_in_repertoire: NUL in text
    "22026": _VALUE,  # string_data_length_mismatch: more or fewer bits than the column
    "22P05": _VALUE,  # untranslatable_character: NUL in jsonb
    # read_only_sql_transaction: after a fail-over the server of this connection is a standby
    "25006": Meaning("read_only", DatabaseUnavailable, Goes.ALL, repeatable=True),
    # idle_in_transaction_session_timeout: the server closes the connection. asyncpg does not keep what a server says
    # while no statement runs, so there it is a lost connection, and so is idle_session_timeout.
    "25P03": Meaning("idle_in_transaction", DatabaseUnavailable, Goes.THIS),
    "25P04": Meaning("transaction_timeout", QueryTimeout, Goes.THIS),  # the server closes the connection
    "26000": _PREPARED,  # invalid_sql_statement_name
    "40001": Meaning("serialization_failure", WriteConflict, repeatable=True),
    "40P01": Meaning("deadlock", WriteConflict, repeatable=True),
    "42P05": _PREPARED,  # duplicate_prepared_statement
    "55P03": Meaning("lock_timeout", WriteConflict),  # lock_not_available
    "54000": _VALUE,  # program_limit_exceeded: longer than an index allows
    "57014": Meaning("statement_timeout", QueryTimeout),  # query_canceled
    "57P05": Meaning("idle_session", DatabaseUnavailable, Goes.THIS, repeatable=True),  # idle_session_timeout
}
BY_CLASS: dict[str, Meaning] = {
    "08": _LOST,  # connection exception; PgBouncer's own errors are 08P01
    "23": Meaning("integrity", IntegrityConflict),  # integrity constraint violation
    "53": _RESOURCES,  # insufficient resources: disk, memory, connections
    "57": _LOST,  # operator intervention: shutting down, crashed, starting up, database dropped
    "58": Meaning("system", DatabaseUnavailable, Goes.THIS),  # system error outside PostgreSQL
}
MEANINGS = {*BY_SQLSTATE.values(), *BY_CLASS.values(), NOT_CONNECTED, _NO_ANSWER, _PLAN}
"""All that `db_errors_total` counts; docs/errors.md lists them."""


def violates(error: IntegrityError, constraint: str) -> bool:
    """Return whether the error is a violation of the named constraint."""
    return driver.constraint_name(error) == constraint


def meaning(error: BaseException) -> Meaning | None:
    """Return what an error of the database means; `None` when it is a bug in the service, or of something else."""
    if isinstance(error, PoolTimeoutError):
        return _POOL
    if not isinstance(error, DBAPIError):
        return None
    if isinstance(error.orig, NoAnswer):
        return _NO_ANSWER
    sqlstate = driver.sqlstate(error)
    found = BY_SQLSTATE.get(sqlstate) or BY_CLASS.get(sqlstate[:2])
    if found is None and driver.plan_is_outdated(error):
        found = _PLAN
    if found is None and driver.refuses_value(error):
        found = _VALUE
    if found is None and error.connection_invalidated:
        found = _LOST
    return found


def outcome_is_unknown(error: BaseException) -> bool:
    """Return whether a connection was lost during COMMIT, so that nobody knows whether the change was saved."""
    return (
        isinstance(error, DBAPIError)
        # that of COMMIT and ROLLBACK; the INSERT of a flush before COMMIT is known to be lost
        and error.statement is None
        and error.connection_invalidated
        and not driver.commit_was_not_sent(error)
    )


def outcome_of_statement_is_unknown(error: DBAPIError) -> bool:
    """Return whether a connection was lost during a statement that commits by itself, so that it may have been saved.

    A server that says why it ends a connection has not committed, unless it crashes, or a pooler says it.
    """
    is_lost = driver.sqlstate(error) in _NOT_COMMITTED or driver.plan_is_outdated(error)
    return error.connection_invalidated and not is_lost and not driver.commit_was_not_sent(error)


def translate(error: SQLAlchemyError) -> AppError | None:
    """Return the expected failure that caused a database error; `None` when the error is a bug in the service."""
    found = meaning(error)
    return found.answer() if found else None

"""A transaction of INSERTs on cursors of the driver."""

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

import structlog
from sqlalchemy import Engine, Insert
from sqlalchemy.exc import DBAPIError

from app.platform.db import driver, errors
from app.platform.db.rows import Rows, Values, execute, handle, prepare
from app.platform.errors import OutcomeUnknown
from app.platform.tracebacks import summary

log = structlog.get_logger(__name__)

InsertInto = Callable[[Insert, Values | Sequence[Values]], Rows]


class Writing:
    """Runs INSERTs on one connection of the pool, and commits at the end of the `with` block."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pooled = engine.raw_connection()

    def __enter__(self) -> InsertInto:
        driver.use_transaction(self._pooled)
        return self._insert

    def __exit__(self, kind: type[BaseException] | None, _error: object, _traceback: TracebackType | None) -> None:
        try:
            if kind is None:
                self._commit()
        finally:
            # rolls back what is not committed
            self._pooled.close()

    def _insert(self, statement: Insert, values: Values | Sequence[Values]) -> Rows:
        first = values if isinstance(values, Mapping) else values[0]
        prepared = prepare(statement, self._engine.dialect, tuple(first))
        return execute(self._engine, self._pooled, prepared, values)

    def _commit(self) -> None:
        try:
            self._pooled.commit()
        except BaseException as error:  # noqa: BLE001 (raised again)
            try:
                handle(self._engine, self._pooled, error, None)
            except DBAPIError as failure:
                if errors.outcome_is_unknown(failure):
                    log.warning("outcome_unknown", reason=summary(failure))
                    raise OutcomeUnknown from failure
                raise

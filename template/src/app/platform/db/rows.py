"""Run statements that are built once on cursors of the driver.

`Connection.execute` does the same for any statement, and costs four times as much for one row: it looks the compiled
statement up by its parts, emits events, and wraps cursor and rows.
"""

import time
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, NoReturn

from sqlalchemy import Connection, Dialect, Engine, Insert, Select
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.sql.type_api import TypeEngine

from app.platform.db import monitoring

Values = Mapping[str, Any]
Rows = Sequence[Any]
Run = Callable[[Select[Any], Values], Rows]
"""Runs a SELECT with parameters, and returns rows with indexes and names."""

_Processor = Callable[[Any], Any] | None


def on_connection(connection: Connection) -> Run:
    """Return a function that runs any SELECT on a connection of SQLAlchemy's."""
    return lambda statement, values: connection.execute(statement, values).all()


class Cursors:
    """Runs SELECTs on cursors of one connection of the pool, in autocommit mode.

    Use it in a `with` block, which returns the connection.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._options = engine.get_execution_options()
        self._pooled = engine.raw_connection()
        # of the driver whose connections are not in autocommit mode anyway
        self._sets_mode = "isolation_level" in self._options

    def __enter__(self) -> Run:
        if self._sets_mode:
            self._engine.dialect.set_isolation_level(self._dbapi, self._options["isolation_level"])
        return self._run

    def __exit__(self, *_: object) -> None:
        if self._sets_mode and self._pooled.is_valid:
            self._engine.dialect.reset_isolation_level(self._dbapi)
        self._pooled.close()

    def _run(self, statement: Select[Any], values: Values) -> Rows:
        return execute(self._engine, self._pooled, prepare(statement, self._engine.dialect), values)

    @property
    def _dbapi(self) -> Any:
        return self._pooled.dbapi_connection


def execute(
    engine: Engine, pooled: PoolProxiedConnection, prepared: "Prepared", values: Values | Sequence[Values]
) -> Rows:
    """Execute a statement, once or for a list of parameters, and return its rows if it has some.

    Raises:
        sqlalchemy.exc.DBAPIError: as for any statement; the connection is treated by the same rules.
    """
    cursor = pooled.cursor()
    started = time.perf_counter()
    try:
        if isinstance(values, Mapping):
            cursor.execute(prepared.text, prepared.arguments(values))
        else:
            cursor.executemany(prepared.text, [prepared.arguments(each) for each in values])
        rows = cursor.fetchall() if prepared.returns else ()
        description = cursor.description
    except BaseException as error:  # noqa: BLE001 (raised again)
        handle(engine, pooled, error, prepared.text)
    cursor.close()
    monitoring.report_if_slow(engine, time.perf_counter() - started, prepared.text)
    return prepared.rows(rows, description) if prepared.returns else ()


def handle(engine: Engine, pooled: PoolProxiedConnection, error: BaseException, statement: str | None) -> NoReturn:
    """Raise the error as SQLAlchemy does: wrapped, after `handle_error`; useless connections are thrown away."""
    Connection(engine, pooled)._handle_dbapi_exception(error, statement, None, None, None)  # noqa: SLF001


class Prepared:
    """A compiled statement, and what changes values on their way to the driver and back.

    Attributes:
        text: the statement in the driver's language.
        returns: whether it has rows.
    """

    def __init__(self, statement: Select[Any] | Insert, dialect: Dialect, keys: Sequence[str] | None) -> None:
        compiled: Any = statement.compile(dialect=dialect, column_keys=None if keys is None else list(keys))
        self.text = str(compiled)
        # names with characters that the driver does not allow
        self._escaped: Mapping[str, str] = dict(compiled.escaped_bind_names)
        self._names: Sequence[str] | None = compiled.positiontup if compiled.positional else None
        binds: Mapping[str, Any] = compiled.binds
        self._fixed = {name: bind.effective_value for name, bind in binds.items() if not bind.required}
        found = {name: _bind_processor(bind.type, dialect) for name, bind in binds.items()}
        self._binds = {name: processor for name, processor in found.items() if processor}
        self._defaults = {column.key: column.default for column in compiled.insert_prefetch}
        columns = list(statement.exported_columns)
        self.returns = bool(columns)
        self._types = [column.type.dialect_impl(dialect) for column in columns]
        self._dialect = dialect
        self._processors: Sequence[_Processor] | None = None
        row: Any = namedtuple("Row", [str(column.key) for column in columns], rename=True)  # type: ignore[misc]
        self._row: Callable[[Any], Any] = row._make

    def arguments(self, values: Values) -> Any:
        """Return the parameters as the driver wants them: a sequence or a dictionary."""
        given = {**self._fixed, **values}
        if self._defaults:
            # functions for defaults may look at the other values
            context = SimpleNamespace(current_parameters=given, get_current_parameters=lambda *_: given)
            for name, default in self._defaults.items():
                given[name] = default.arg(context) if default.is_callable else default.arg
        for name, process in self._binds.items():
            given[name] = process(given[name])
        if self._names is not None:
            return tuple(given[name] for name in self._names)
        return {self._escaped.get(name, name): value for name, value in given.items()} if self._escaped else given

    def rows(self, found: Rows, description: Any) -> Rows:
        """Return the driver's rows with the values of the columns' types."""
        if self._processors is None:
            # a type that is sent in several ways asks which one it is
            sent = [column[1] for column in description]
            self._processors = [
                kind.result_processor(self._dialect, each) for kind, each in zip(self._types, sent, strict=True)
            ]
        if not any(self._processors):
            return [self._row(row) for row in found]
        processors = self._processors
        return [
            self._row(process(value) if process else value for process, value in zip(processors, row, strict=True))
            for row in found
        ]


# as many as there are statements of read models (shapes.py)
@lru_cache(maxsize=1000)
def prepare(statement: Select[Any] | Insert, dialect: Dialect, keys: tuple[str, ...] | None = None) -> Prepared:
    """Return the compiled statement; an INSERT is for rows with these keys."""
    return Prepared(statement, dialect, keys)


def _bind_processor(kind: TypeEngine[Any], dialect: Dialect) -> _Processor:
    return kind.dialect_impl(dialect).bind_processor(dialect)

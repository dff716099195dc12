"""Run statements that are built once on cursors of the driver.

`Connection.execute` does the same for any statement, and costs four times as much for one row: it looks the compiled
statement up by its parts, emits events, and wraps cursor and rows.
"""

import time
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NoReturn

from sqlalchemy import Connection, Dialect, Engine, Insert, Select
from sqlalchemy.sql.type_api import TypeEngine

from app.platform.db import monitoring

Values = Mapping[str, Any]
Rows = Sequence[Any]
Run = Callable[[Select[Any] | Insert, Values], Rows]
"""Runs a statement with parameters, and returns rows with indexes and names."""

_Processor = Callable[[Any], Any] | None


def on_connection(connection: Connection) -> Run:
    """Return a function that runs any SELECT on a connection of SQLAlchemy's."""
    return lambda statement, values: connection.execute(statement, values).all()


class Cursors:
    """Runs statements on cursors of one connection of the pool, in autocommit mode.

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

    def _run(self, statement: Select[Any] | Insert, values: Values) -> Rows:
        prepared = prepare(statement, self._engine.dialect)
        cursor = self._pooled.cursor()
        started = time.perf_counter()
        try:
            cursor.execute(prepared.text, prepared.arguments(values))
            rows = cursor.fetchall()
            # psycopg makes an object for each column, which takes a tenth of a read
            description = cursor.description if prepared.needs_description else ()
        except BaseException as error:  # noqa: BLE001 (raised again)
            self._raise(error, prepared.text, started)
        cursor.close()
        monitoring.report_if_slow(self._engine, time.perf_counter() - started, prepared.text)
        return prepared.rows(rows, description)

    def _raise(self, error: BaseException, statement: str, started: float) -> NoReturn:
        """Raise the error as SQLAlchemy does: wrapped, after `handle_error`; useless connections are thrown away."""
        connection = Connection(self._engine, self._pooled)
        # for the span of the statement
        self._pooled.info["started_at"] = started
        connection._handle_dbapi_exception(error, statement, None, None, None)  # noqa: SLF001 (there is no other way)

    @property
    def _dbapi(self) -> Any:
        return self._pooled.dbapi_connection


class Prepared:
    """A compiled statement, and what changes values on their way to the driver and back.

    Attributes:
        text: the statement in the driver's language.
    """

    def __init__(self, statement: Select[Any] | Insert, dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        self.text = str(compiled)
        # names with characters that the driver does not allow
        self._escaped: Mapping[str, str] = dict(compiled.escaped_bind_names)
        self._names: Sequence[str] | None = compiled.positiontup if compiled.positional else None
        binds: Mapping[str, Any] = compiled.binds
        self._fixed = {name: bind.effective_value for name, bind in binds.items() if not bind.required}
        found = {name: _bind_processor(bind.type, dialect) for name, bind in binds.items()}
        self._binds = {name: processor for name, processor in found.items() if processor}
        columns = list(statement.exported_columns)
        self._types = [column.type.dialect_impl(dialect) for column in columns]
        self._dialect = dialect
        self._processors: Sequence[_Processor] | None = None
        row: Any = namedtuple("Row", [str(column.key) for column in columns], rename=True)  # type: ignore[misc]
        self._row: Callable[[Any], Any] = row._make

    def arguments(self, values: Values) -> Any:
        """Return the parameters as the driver wants them: a sequence or a dictionary."""
        given = {**self._fixed, **values}
        for name, process in self._binds.items():
            given[name] = process(given[name])
        if self._names is not None:
            return tuple(given[name] for name in self._names)
        return {self._escaped.get(name, name): value for name, value in given.items()} if self._escaped else given

    @property
    def needs_description(self) -> bool:
        """Whether it was not yet run, so that the types the server sends are not known."""
        return self._processors is None

    def rows(self, found: Rows, description: Sequence[Any]) -> Rows:
        """Return the driver's rows as values of the columns' types; the first time it needs a description."""
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
def prepare(statement: Select[Any] | Insert, dialect: Dialect) -> Prepared:
    """Return the compiled statement."""
    return Prepared(statement, dialect)


def _bind_processor(kind: TypeEngine[Any], dialect: Dialect) -> _Processor:
    return kind.dialect_impl(dialect).bind_processor(dialect)

"""What a service runs on each of its new connections, such as the codec of a type for the driver itself."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

OnConnect = Callable[[Any], Awaitable[Any]]
"""Gets the driver's own connection: `asyncpg.Connection` or `psycopg.AsyncConnection`."""


def run_on_connect(engine: Engine, functions: Sequence[OnConnect]) -> None:
    """Run the functions on each new connection, after the set-up of SQLAlchemy and of the platform."""

    def run(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        adapted: Any = connection
        autocommit = adapted.autocommit
        # outside of a transaction, which would have to be committed
        adapted.autocommit = True
        for function in functions:
            adapted.run_async(function)
        adapted.autocommit = autocommit

    if functions:
        event.listen(engine, "connect", run)

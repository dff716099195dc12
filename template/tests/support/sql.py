"""Count the statements and round trips to PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from sqlalchemy import Engine, event, make_url


@contextmanager
def each_statement(engine: Engine | type[Engine], moment: str, call: Callable[..., Any]) -> Iterator[None]:
    """Call a function for each statement inside the block, but those for savepoints: `before` or `after` it runs.

    The arguments are those of SQLAlchemy's events: connection, cursor, statement and more.
    """

    def without_savepoints(connection: Any, cursor: Any, statement: str, *others: Any) -> None:
        if "SAVEPOINT" not in statement:
            call(connection, cursor, statement, *others)

    event.listen(engine, f"{moment}_cursor_execute", without_savepoints)
    try:
        yield
    finally:
        event.remove(engine, f"{moment}_cursor_execute", without_savepoints)


@contextmanager
def recorded_statements(engine: Engine) -> Iterator[list[str]]:
    """Record the statements that run inside the block, without those for savepoints."""
    statements: list[str] = []
    with each_statement(engine, "before", lambda _connection, _cursor, statement, *_: statements.append(statement)):
        yield statements


class RoundTrips:
    """A TCP proxy in front of PostgreSQL that counts the client's messages."""

    def __init__(self, url: str) -> None:
        self._target = make_url(url)
        self._url = self._target
        self.count = 0

    @property
    def url(self) -> str:
        """Return the URL of the database through the proxy."""
        return self._url.render_as_string(hide_password=False)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["RoundTrips"]:
        """Listen on a free port of the loopback interface."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self._url = self._target.set(host="127.0.0.1", port=port)
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await asyncio.open_connection(self._target.host, self._target.port or 5432)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pump(reader, upstream[1], counted=True))
            group.create_task(self._pump(upstream[0], writer, counted=False))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, counted: bool) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65_536):
                self.count += counted
                sink.write(data)
                await sink.drain()
        sink.close()

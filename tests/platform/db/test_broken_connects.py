"""A connection that breaks, or falls silent, while it is being set up: the answer is 503 wherever it happens."""

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.platform.db.errors import translate
from app.platform.errors import DatabaseUnavailable
from tests.platform.support.silent_proxy import SilentProxy
from tests.platform.support.trouble import opened

MOST = 30
"""More messages than any driver sends until the first statement is done."""


async def ask(connection: Any) -> None:
    await connection.execute("SELECT 1")


class Interrupting(SilentProxy):
    """Falls silent, or breaks its connections, when a client has sent a number of messages."""

    def __init__(self, url: str, messages: int, *, cut: bool) -> None:
        super().__init__(url)
        self._left = messages
        self._cut = cut

    def forwards(self, *, of_the_client: bool) -> bool:
        self._left -= of_the_client
        if self._left < 0 and self._cut:
            self.cut()
        return self._left >= 0


async def answer(url: str) -> str:
    """Return the name of what the client is told."""
    async with opened(url, [ask], connect_timeout=0.2, statement_timeout=0.1) as database:
        try:
            async with database.transaction() as session:
                await session.execute(text("SELECT 1"))
        except SQLAlchemyError as error:
            return type(translate(error) or error).__name__
        except Exception as error:  # noqa: BLE001 (the test looks at it)
            return type(error).__name__
        return "works"


@pytest.mark.parametrize(("cut", "first"), [(True, 0), (False, 4)])
async def test_interrupted_set_up(
    worker_database_url: str, monkeypatch: pytest.MonkeyPatch, cut: bool, first: int
) -> None:
    """With each try the client can send one message more; libpq waits for the first answers two seconds or longer."""
    monkeypatch.setattr("app.platform.db.pool.ANSWER_MARGIN", 0.1)
    seen = []
    for messages in range(first, MOST):
        proxy = Interrupting(worker_database_url, messages, cut=cut)
        async with asyncio.timeout(20), proxy.running():
            seen.append(await answer(proxy.url))
            proxy.cut()
    done = seen.index("works")
    assert done > 5
    # the last message that can be lost is that of COMMIT
    assert seen[:done] == ["DatabaseUnavailable"] * (done - 1) + ["OutcomeUnknown"]


@pytest.fixture
def without_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_garbage_collection")
@pytest.mark.parametrize("cancelled", [True, False])
async def test_attempt_that_fails_leaves_no_connection_open(cancelled: bool) -> None:
    """Its server process would wait for the end of the authentication, and keep others from dropping the database."""
    opened_one, closed = asyncio.Event(), asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened_one.set()
        while await reader.read(1000):
            pass
        closed.set()
        writer.close()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with opened(f"postgresql://app@127.0.0.1:{port}/app", connect_timeout=1.0) as database:
            attempt = asyncio.create_task(database.ping())
            await opened_one.wait()
            if cancelled:
                attempt.cancel()
            with pytest.raises(asyncio.CancelledError if cancelled else DatabaseUnavailable):
                await attempt
            async with asyncio.timeout(2):
                await closed.wait()

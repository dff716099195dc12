"""Readiness of the database, on a way past the queue before the pool: a busy process is not a broken one."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Literal

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.db import address, connecting
from app.platform.db.gate import Gate
from app.platform.db.retries import repeatable
from app.platform.settings import DatabaseSettings

ONLY_READS = frozenset({"standby", "read-only", "prefer-standby"})
"""Values of `target_session_attrs` with which a service wants no server that it can write to."""

_ANSWERS = text("SELECT 1")
# An error of the server's own, so that the connections to a server that became a standby are thrown away (errors.py).
_ACCEPTS_WRITES = text(
    "DO $$ BEGIN IF current_setting('transaction_read_only')::bool"
    " THEN RAISE read_only_sql_transaction USING MESSAGE = 'the server accepts no writes'; END IF; END $$"
)


class Readiness:
    """Asks the server whether it answers and accepts writes.

    One check at a time, on the one connection that the pool may open for it beyond those of the gate.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        sessions: Callable[[], AbstractAsyncContextManager[AsyncSession]],
        gate: Gate | None,
    ) -> None:
        self._sessions = sessions
        self._gate = gate
        self._statement = _statement(settings)
        self._one_at_a_time = asyncio.Lock()

    async def check(self) -> Literal["ok", "busy"]:
        """Return `busy` while work waits for a connection; it does not make a process unready.

        Raises:
            DatabaseUnavailable: no connection could be opened.
            sqlalchemy.exc.DBAPIError: the server does not answer, or accepts no writes.
        """
        async with self._one_at_a_time:
            await self._ask()
        return "busy" if self._gate and self._gate.waiting else "ok"

    @repeatable
    async def _ask(self) -> None:
        """Ask, and once more if the connection leads to a server that is no primary any more."""
        async with self._sessions() as session:
            await session.execute(self._statement)


def _statement(settings: DatabaseSettings) -> TextClause:
    wanted = address.read(settings, connecting.VOCABULARY)[1].get("target_session_attrs")
    return _ANSWERS if wanted in ONLY_READS else _ACCEPTS_WRITES

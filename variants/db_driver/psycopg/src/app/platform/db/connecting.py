"""Connects psycopg: libpq itself does what its words ask for. Connections do not wait for ever for an answer."""

import asyncio
import math
import socket
import traceback
from collections.abc import Mapping
from contextvars import Context
from typing import Any, Self, TypeVar

import psycopg
from psycopg import pq
from psycopg.abc import PQGen

from app.platform.db.words import Vocabulary

ResultT = TypeVar("ResultT")

# the words of the libpq that is in use: an older one has fewer
VOCABULARY = Vocabulary(
    "postgresql+psycopg", frozenset(option.keyword.decode() for option in pq.Conninfo.get_defaults())
)


def arguments(words: Mapping[str, str], server_settings: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of SQLAlchemy's connections for words and settings of each session."""
    # libpq accepts only whole seconds, and treats 1 as 2
    timeout = math.ceil(float(words["connect_timeout"]))
    options = [f"-c {name}={value}" for name, value in server_settings.items()]
    options += [words["options"]] if "options" in words else []
    return {**words, "connect_timeout": timeout} | ({"options": " ".join(options)} if options else {})


# what psycopg raises when a connection is lost
BROKEN = (psycopg.OperationalError,)


class NoAnswer(psycopg.OperationalError):
    """The server did not answer within the deadline."""


class BoundedConnection(psycopg.AsyncConnection[Any]):
    """Gives up when the server does not answer: psycopg itself waits until the kernel does, about 15 minutes.

    Attributes:
        deadline: the most seconds to wait for an answer; `None` for no limit.
    """

    deadline: float | None = None
    _silent = False
    # when the answer is late, by the clock of the event loop; `None` while nobody waits for one
    _late_at: float | None = None
    _timer: asyncio.TimerHandle | None = None

    @classmethod
    async def connect_within(cls, deadline: float | None, /, *args: Any, **kwargs: Any) -> Self:
        """Connect, and return a connection with this deadline."""
        try:
            connection = await cls.connect(*args, **kwargs)
        except BaseException as error:
            # closes the socket at once: else it is open, and its server process waits, until garbage is collected
            traceback.clear_frames(error.__traceback__)
            raise
        connection.deadline = deadline
        return connection

    async def wait(self, gen: PQGen[ResultT], *args: Any, **kwargs: Any) -> ResultT:
        """Wait for the server's answer; psycopg calls this for everything that it sends.

        Raises:
            NoAnswer: no answer came within the deadline; the connection is closed.
        """
        if self.deadline is None:
            return await super().wait(gen, *args, **kwargs)
        self._late_at = asyncio.get_running_loop().time() + self.deadline
        # stays for the statements to come: to make one for each and to cancel it is 2 % of a small read
        if self._timer is None or self._timer.when() > self._late_at:
            self._look_in(self.deadline)
        try:
            return await super().wait(gen, *args, **kwargs)
        except psycopg.OperationalError as error:
            if not self._silent:
                raise
            message = f"the server did not answer within {self.deadline:g} s"
            raise NoAnswer(message) from error
        finally:
            self._late_at = None

    async def close(self) -> None:
        """Close the connection; nothing keeps it in memory then."""
        if self._timer:
            self._timer.cancel()
        await super().close()

    @property
    def is_open(self) -> bool:
        """Whether the connection is neither closed nor lost."""
        return self.pgconn.transaction_status != pq.TransactionStatus.UNKNOWN

    def use_transactions(self) -> None:
        """Begin a transaction with the next statement."""
        self._autocommit = False

    def use_autocommit(self) -> None:
        """Leave each statement to itself; there must be no transaction.

        psycopg's `set_autocommit` takes a lock and waits, though it sends nothing: a quarter of the cost of a read.
        """
        self._autocommit = True

    async def rollback(self) -> None:
        """Roll back if there is a transaction; psycopg would take its lock in any case."""
        if self.pgconn.transaction_status != pq.TransactionStatus.IDLE:
            await super().rollback()

    def _look_in(self, seconds: float) -> None:
        if self._timer:
            self._timer.cancel()
        # with no context: it would be that of some request
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look, context=Context())

    def _look(self) -> None:
        self._timer = None
        if self._late_at is None:
            return
        left = self._late_at - asyncio.get_running_loop().time()
        if left > 0:
            self._look_in(left)
        else:
            self._hang_up()

    def _hang_up(self) -> None:
        """Shut the socket down, so that whoever waits for it sees its end. To cancel would mean to wait once more."""
        self._silent = True
        with socket.socket(fileno=socket.dup(self.pgconn.socket)) as same:
            same.shutdown(socket.SHUT_RDWR)

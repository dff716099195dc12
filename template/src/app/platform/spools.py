"""Temporary files for long request bodies, so that no database connection waits for a client.

A route stores the body here while the client sends, and opens its transaction when the body is complete. The files have
no name, and their space is free as soon as the request ends, also when the process is killed.
"""

import asyncio
import hashlib
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, TypeVar
from uuid import UUID

import structlog

from app.platform.errors import AppError, Busy

log = structlog.get_logger(__name__)

ArgumentT = TypeVar("ArgumentT")

# small bodies never reach the disk, and larger ones reach it in few writes
_BUFFER = 262_144
_PIECE = 65_536


class TooManyUploads(AppError):
    """The user sends as many long bodies at a time as `HTTP_MAX_IMPORTS_PER_USER` allows."""

    status = 429
    code = "too_many_uploads"
    title = "Too many uploads at a time"
    retry_after = 5


class NoSpace(AppError):
    """The temporary file of a long body could not be written; the log says why."""

    status = 503
    code = "no_space"
    title = "The service has no room for the upload"
    retry_after = 60


class Spools:
    """The spools of a process: at most `limit` at a time, and of each user `per_user`.

    The size of each is that of its body, which the middleware limits to `HTTP_MAX_IMPORT_BYTES`.
    """

    def __init__(self, limit: int, per_user: int) -> None:
        self._limit = limit
        self._per_user = per_user
        self._open: Counter[UUID] = Counter()

    @property
    def open_now(self) -> int:
        """The number of spools in use."""
        return self._open.total()

    @contextmanager
    def open(self, user: UUID) -> Iterator["Spool"]:
        """Yield a new spool, which is emptied at the end of the block.

        Raises:
            Busy: the process has as many spools as `HTTP_MAX_IMPORTS` allows.
            TooManyUploads: the user has too many.
        """
        if self.open_now >= self._limit:
            message = "Too many uploads at a time."
            raise Busy(message)
        if self._open[user] >= self._per_user:
            raise TooManyUploads
        self._open[user] += 1
        spool = Spool()
        try:
            yield spool
        finally:
            self._open[user] -= 1
            if not self._open[user]:
                del self._open[user]
            spool.close()


class Spool:
    """The bytes of one body: the first ones in memory, all of a longer body in a temporary file."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._file: IO[bytes] | None = None
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> str:
        """The SHA-256 of all bytes, in hexadecimal digits."""
        return self._hash.hexdigest()

    async def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            NoSpace: the file cannot be written.
        """
        self._hash.update(data)
        self._buffer += data
        if len(self._buffer) >= _BUFFER:
            await self._flush()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield all bytes from the beginning, in pieces.

        Raises:
            NoSpace: the file cannot be written.
        """
        if self._file is None:
            for start in range(0, len(self._buffer), _PIECE):
                yield bytes(self._buffer[start : start + _PIECE])
            return
        await self._flush()
        file = self._file
        # writes what is left in its buffer
        await self._trying(file.seek, 0)
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece

    def close(self) -> None:
        """Free the memory and the file. Waits for the write that a cancelled request leaves behind in a thread."""
        self._buffer.clear()
        if self._file:
            # of a full disk, which was noticed before
            with suppress(OSError):
                self._file.close()

    async def _flush(self) -> None:
        data = bytes(self._buffer)
        self._buffer.clear()
        await self._trying(self._write, data)

    def _write(self, data: bytes) -> None:
        if self._file is None:
            # no name: nobody can open it, and nothing is left of it after a crash
            self._file = tempfile.TemporaryFile(buffering=_PIECE)  # noqa: SIM115 - closed with the spool
        self._file.write(data)

    @staticmethod
    async def _trying(work: Callable[[ArgumentT], object], argument: ArgumentT) -> None:
        try:
            await asyncio.to_thread(work, argument)
        except OSError as error:
            log.exception("spool_failed", directory=tempfile.gettempdir(), reason=error.strerror)
            raise NoSpace from error

"""Long connections of users: server-sent events and WebSockets. They have bounds, and end when the process stops."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from app.platform.errors import AppError, Busy


class TooManyStreams(AppError):
    """The user has as many open streams as `HTTP_MAX_STREAMS_PER_USER` allows."""

    status = 429
    code = "too_many_streams"
    title = "Too many open streams"
    retry_after = 5


class Streams:
    """The open streams of a process: at most `limit`, of each user `per_user`, each for `longest` seconds.

    A stream that is open `grace` seconds after it had to end is cut off: its client does not read.
    """

    def __init__(self, limit: int, per_user: int, longest: float, grace: float = 5.0) -> None:
        self._limit = limit
        self._per_user = per_user
        self._longest = longest
        self._grace = grace
        self._open: Counter[UUID] = Counter()
        self._ending = asyncio.Event()

    @property
    def open_now(self) -> int:
        """The number of open streams."""
        return self._open.total()

    @contextmanager
    def open(self, user: UUID, disconnect: Callable[[str], None] | None = None) -> Iterator["Stream"]:
        """Count one more stream of this user until the end of the block. `disconnect` ends its connection at once.

        Raises:
            Busy: the process has too many streams, or is about to stop.
            TooManyStreams: the user has too many.
        """
        if self._ending.is_set() or self.open_now >= self._limit:
            raise Busy
        if self._open[user] >= self._per_user:
            raise TooManyStreams
        self._open[user] += 1
        stream = Stream(self._ending, self._longest)
        cutting = asyncio.ensure_future(self._cut_off(stream, disconnect)) if disconnect else None
        try:
            yield stream
        finally:
            # when the process stops, it would wait for a client that does not read the end
            if cutting and not self._ending.is_set():
                cutting.cancel()
            self._open[user] -= 1
            if not self._open[user]:
                del self._open[user]

    def end(self) -> None:
        """Let all streams end, because the process stops."""
        self._ending.set()

    async def _cut_off(self, stream: "Stream", disconnect: Callable[[str], None]) -> None:
        await stream.pause(self._longest)
        await asyncio.sleep(self._grace)
        disconnect("The stream had to end.")


class Stream:
    """One open stream. It ends after some time, because the rights of its access token may have ended, too."""

    def __init__(self, ending: asyncio.Event, longest: float) -> None:
        self._ending = ending
        self._deadline = asyncio.get_running_loop().time() + longest

    @property
    def seconds_left(self) -> float:
        """The seconds until the stream has to end; 0 when the process stops."""
        return 0 if self._ending.is_set() else max(0, self._deadline - asyncio.get_running_loop().time())

    async def pause(self, seconds: float) -> bool:
        """Wait so long; return whether the stream may go on. Hold no database connection meanwhile."""
        try:
            async with asyncio.timeout(min(seconds, self.seconds_left)):
                await self._ending.wait()
        except TimeoutError:
            return self.seconds_left > 0
        return False

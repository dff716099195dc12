"""The connection to Redis: what to do while it does not answer, and invalidations that it has not got yet.

Nobody waits for a Redis that has not answered: one task asks it again from time to time, and makes up for the
invalidations before anybody reads values again.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Context
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import ReadOnlyError, ResponseError

from app.platform.cache.store import StoreUnavailable
from app.platform.concurrency import cancel_and_wait
from app.platform.patience import answered_within
from app.platform.redis_client import FAILURES, open_pool
from app.platform.tracebacks import summary

log = structlog.get_logger(__name__)

FIRST_PAUSE, PAUSE = 0.1, 2.0
"""The shortest and the longest pause, in seconds, before Redis is asked again after it did not answer."""

CALM = 10.0
"""Seconds without an outage after which the next one begins with the shortest pause."""

QUIET = 60.0
"""The least seconds between two log entries that Redis refused a command."""

MAX_MISSED = 1000
"""The most invalidations that are remembered while Redis does not answer; further ones invalidate whole caches."""

Work = Callable[[Any], Awaitable[Any]]


class Connection:
    """Asks Redis for no longer than `timeout` seconds, and not at all from an outage until it answers again.

    Callers wait as long for a connection, if all are in use.
    """

    def __init__(self, redis_url: str, timeout: float) -> None:
        self._timeout = timeout
        # each call is bounded as a whole, so connecting needs no time of its own
        pool = open_pool(redis_url)
        # values are bytes, whatever the URL says
        pool.connection_kwargs["decode_responses"] = False
        self._free = asyncio.Semaphore(pool.max_connections)
        # its methods have other types in each major release
        self._redis: Any = Redis.from_pool(pool)
        self._down = False
        # a fail-over has made the server read-only that the connections lead to
        self._outdated = False
        self._closed = False
        self._failed_at = self._back_at = self._refused_at = float("-inf")
        self._pause = FIRST_PAUSE
        # the versions to delete when Redis can, each with the number of its last invalidation
        self._missed: dict[str, int] = {}
        self._numbers = itertools.count()
        self._recovery: asyncio.Task[None] | None = None

    async def ask(self, work: Work) -> Any:
        """Return what `work` gets from Redis; first make up for the invalidations that Redis has not got.

        Raises:
            StoreUnavailable: there is no answer.
        """
        # nobody waits for a connection during an outage either
        if self._down:
            raise StoreUnavailable
        try:
            async with answered_within(self._timeout):
                await self._free.acquire()
        except TimeoutError as error:
            # others use all connections, which says nothing of Redis
            raise StoreUnavailable from error
        try:
            # it may have failed those who were first
            if self._down:
                raise StoreUnavailable
            return await self._try(work)
        finally:
            self._free.release()

    async def delete(self, key: str, *, instead: str) -> bool:
        """Delete a key, or `instead` if too many wait. Return whether that is done; if not, it follows by itself."""
        try:
            await self.ask(lambda redis: redis.delete(key))
        except BaseException as error:
            # also when the caller is cancelled: nobody knows whether Redis has got it
            self._missed[key if len(self._missed) < MAX_MISSED else instead] = next(self._numbers)
            self._recover()
            if isinstance(error, StoreUnavailable):
                return False
            raise
        return True

    async def close(self) -> None:
        """Try once more to make up for invalidations, and close the connections."""
        self._closed = True
        if self._recovery:
            await cancel_and_wait(self._recovery)
        with suppress(StoreUnavailable):
            if self._missed:
                await self._try(_nothing)
        if self._missed:
            log.warning("cache_invalidations_lost", count=len(self._missed))
        with suppress(*FAILURES):
            async with asyncio.timeout(self._timeout):
                await self._redis.aclose()

    async def _try(self, work: Work) -> Any:
        started = time.monotonic()
        try:
            async with answered_within(self._timeout):
                if self._missed:
                    await self._make_up()
                result = await work(self._redis)
        except ResponseError as error:
            # it has answered, and others may get what they ask for
            self._note_answer(started)
            self._note_refusal(error)
            raise StoreUnavailable from error
        except Exception as error:
            # also what redis-py makes of a connection that is just being closed, which is an AttributeError
            if started > self._back_at:
                self._note_outage(error)
            raise StoreUnavailable from error
        self._note_answer(started)
        return result

    async def _make_up(self) -> None:
        missed = dict(self._missed)
        await self._redis.delete(*missed)
        for key, number in missed.items():
            # not if it was invalidated once more meanwhile
            if self._missed.get(key) == number:
                del self._missed[key]

    def _note_answer(self, started: float) -> None:
        if self._down and started > self._failed_at:
            self._down, self._back_at = False, time.monotonic()
            log.info("cache_answers_again")

    def _note_refusal(self, error: ResponseError) -> None:
        now = time.monotonic()
        if now - self._refused_at >= QUIET:
            self._refused_at = now
            log.warning("cache_refused", reason=summary(error))
        if isinstance(error, ReadOnlyError):
            self._outdated = True
            self._recover()

    def _note_outage(self, error: Exception) -> None:
        now = time.monotonic()
        if not self._down:
            log.warning("cache_unavailable", reason=summary(error))
            self._pause = FIRST_PAUSE if now - self._failed_at > CALM else min(2 * self._pause, PAUSE)
        self._down, self._failed_at = True, now
        self._recover()

    def _recover(self) -> None:
        if not self._closed and (self._recovery is None or self._recovery.done()):
            # not in the context of the request that has noticed
            self._recovery = asyncio.get_running_loop().create_task(self._ask_again(), context=Context())

    async def _ask_again(self) -> None:
        """Ask until Redis answers, and has got the invalidations."""
        pause = PAUSE if self._outdated else self._pause
        while self._down or self._missed or self._outdated:
            await asyncio.sleep(pause)
            pause = min(2 * pause, PAUSE)
            if self._down or self._outdated:
                self._outdated = False
                await self._renew_connections()
            with suppress(StoreUnavailable):
                async with self._free:
                    await self._try(_ping)

    async def _renew_connections(self) -> None:
        """Close idle connections: they may lead nowhere, or to a server that is no primary any more."""
        # the recovery must go on, whatever redis-py raises
        with suppress(Exception):
            async with asyncio.timeout(self._timeout):
                await self._redis.connection_pool.disconnect(inuse_connections=False)


async def _nothing(_: Any) -> None:
    """Ask for nothing more than the invalidations."""


async def _ping(redis: Any) -> None:
    await redis.ping()

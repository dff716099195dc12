"""Loads that several callers of a process wait for."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Generic, TypeVar

from app.platform.concurrency import cancel_and_wait, is_cancelled

ValueT = TypeVar("ValueT")

NOT_STORED = b""
"""The versions of a load whose result is not stored, because Redis did not answer."""


class Flight(Generic[ValueT]):
    """A load in a task of its own, so that a caller that is cancelled does not take the result from the others.

    `versions` are those from before the load, and `None` until they are known.
    """

    def __init__(self, load: Callable[["Flight[ValueT]"], Awaitable[ValueT]], context: Context) -> None:
        async def run() -> ValueT:
            return await load(self)

        self.versions: bytes | None = None
        self.abandoned = False
        self.task = asyncio.get_running_loop().create_task(run(), context=context)
        self._callers = 0
        self._began = time.monotonic()

    @property
    def age(self) -> float:
        """Return for how many seconds it has run."""
        return time.monotonic() - self._began

    async def result(self) -> ValueT:
        """Wait for the result. When the last caller is cancelled, the load is as well.

        Raises:
            Exception: what the load raised.
            RuntimeError: the load was cancelled, but not the caller.
        """
        self._callers += 1
        try:
            return await asyncio.shield(self.task)
        except asyncio.CancelledError as error:
            if is_cancelled():
                raise
            message = "the load was cancelled from within"
            raise RuntimeError(message) from error
        finally:
            self._callers -= 1
            if not self._callers:
                # nobody else may wait for it; cancelling has no effect on one that has ended
                self.abandoned = True
                self.task.cancel()


class Flights(Generic[ValueT]):
    """The running loads: one for each key that callers may still wait for, for at most `longest` seconds."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._joinable: dict[str, Flight[ValueT]] = {}
        self._running: set[Flight[ValueT]] = set()

    def find(self, key: str, versions: bytes | None, *, known: bool) -> Flight[ValueT] | None:
        """Return the load to wait for; `None` if there is none, it takes too long, or began before an invalidation.

        `versions` are those that the caller has just read; they are not `known` if Redis did not answer.
        """
        flight = self._joinable.get(key)
        if flight is None or flight.abandoned or flight.age > self.longest:
            return None
        return flight if not known or flight.versions in {None, versions} else None

    def start(self, key: str, load: Callable[[Flight[ValueT]], Awaitable[ValueT]], context: Context) -> Flight[ValueT]:
        """Begin a load, which the next callers find."""
        flight = Flight(load, context)
        self._joinable[key] = flight
        self._running.add(flight)

        def forget(_: object) -> None:
            self._running.discard(flight)
            if self._joinable.get(key) is flight:
                del self._joinable[key]

        flight.task.add_done_callback(forget)
        return flight

    def leave(self, key: str) -> None:
        """Let no further callers wait for the loads of this key, and of the keys that begin with it."""
        for each in [each for each in self._joinable if each == key or each.startswith(f"{key}/")]:
            del self._joinable[each]

    async def close(self) -> None:
        """Cancel all loads."""
        await cancel_and_wait(*(flight.task for flight in self._running))

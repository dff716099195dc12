"""Values that take long to make, such as a model in memory: made in a thread while the process already serves."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from typing import Generic, Literal, TypeVar

import structlog

from app.platform.concurrency import cancel_and_wait
from app.platform.errors import WarmingUp
from app.platform.tracebacks import summary

log = structlog.get_logger(__name__)

CLOSE_SECONDS = 5.0
"""The longest that the end of a process waits for a thread, which cannot be interrupted."""

ValueT = TypeVar("ValueT")
Outcome = tuple[ValueT] | BaseException


class WarmUp(Generic[ValueT]):
    """A value that `make` makes in a thread, once; a failure is logged once, and repeated until it succeeds.

    It begins with `warm_up`, or else with the first `get`. A resource has one, and hands on its `warm_up`, `ping` and
    `close`; `name` is for the log. All times are in seconds: the start of the process waits for `start_wait`, a caller
    for `wait`; a failure is followed by the next try after `retry`, and a try of more than `slow` is logged.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], ValueT],
        *,
        start_wait: float = 5.0,
        wait: float = 1.0,
        retry: float = 10.0,
        slow: float = 60.0,
    ) -> None:
        self._name = name
        self._make = make
        self._start_wait = start_wait
        self._wait = wait
        self._retry = retry
        self._slow = slow
        self._made: tuple[ValueT] | None = None
        self._warm = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._thread: asyncio.Future[Outcome[ValueT]] | None = None

    async def warm_up(self) -> None:
        """Begin, and wait until the value is made or `start_wait` is over; it is made in the background then."""
        with suppress(WarmingUp):
            await self._get(self._start_wait)

    async def get(self) -> ValueT:
        """Return the value.

        Raises:
            WarmingUp: it was not made within `wait`.
        """
        return self._made[0] if self._made else await self._get(self._wait)

    async def ping(self) -> Literal["ok", "degraded"]:
        """Return `degraded` while the value is being made; `ok` also if nobody has needed it yet."""
        return "ok" if self._made or self._task is None else "degraded"

    async def close(self) -> None:
        """Stop trying. Wait at most `CLOSE_SECONDS` for a try that is running."""
        if self._task:
            await cancel_and_wait(self._task)
        if self._thread and not self._thread.done():
            await asyncio.wait({self._thread}, timeout=CLOSE_SECONDS)
            if not self._thread.done():
                log.warning("warm_up_abandoned", resource=self._name)

    async def _get(self, seconds: float) -> ValueT:
        if self._task is None:
            # not in the context of the request that comes first
            self._task = asyncio.get_running_loop().create_task(self._run(), context=Context())
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._warm.wait()
        if self._made is None:
            raise WarmingUp
        return self._made[0]

    async def _run(self) -> None:
        told = False
        while self._made is None:
            started = time.monotonic()
            reason = await self._try()
            if self._made:
                self._warm.set()
                log.info("warmed_up", resource=self._name, seconds=round(time.monotonic() - started, 1))
                return
            if not told:
                log.warning("warm_up_failed", resource=self._name, reason=reason, retry=self._retry)
            told = True
            await asyncio.sleep(self._retry)

    async def _try(self) -> str:
        """Call `make` in a thread that does not keep the process from ending. Return why it has failed."""
        self._thread = asyncio.get_running_loop().create_future()
        try:
            threading.Thread(target=self._work, args=(self._thread,), name=f"warm up {self._name}", daemon=True).start()
        except RuntimeError as error:
            self._thread.cancel()
            return summary(error)
        # not cancelled with the caller, because the thread goes on
        await asyncio.wait({self._thread}, timeout=self._slow)
        if not self._thread.done():
            log.warning("warm_up_slow", resource=self._name, seconds=self._slow)
            await asyncio.wait({self._thread})
        # nothing else keeps the outcome: an error has all that was loaded until then
        outcome, self._thread = self._thread.result(), None
        if isinstance(outcome, BaseException):
            return summary(outcome)
        self._made = outcome
        return ""

    def _work(self, ended: asyncio.Future[Outcome[ValueT]]) -> None:
        outcome: Outcome[ValueT]
        try:
            outcome = (self._make(),)
        except BaseException as error:  # noqa: BLE001 (also what libraries in Rust raise; logged, and tried again)
            outcome = error
        # the loop is closed if the process has not waited any longer
        with suppress(RuntimeError):
            ended.get_loop().call_soon_threadsafe(ended.set_result, outcome)

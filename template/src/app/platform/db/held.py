"""Say which work holds a connection for long, while it does: its place in the code, its request, its server process."""

import asyncio
import sys
import time
from contextvars import Context
from types import FrameType

import structlog

from app.platform import metrics
from app.platform.context import request_id, route
from app.platform.db.gate import Place

log = structlog.get_logger(__name__)

_PLATFORM = __name__.partition(".db")[0]


class Held:
    """A unit of work that has its turn."""

    __slots__ = ("_caller", "_line", "_request_id", "_route", "place", "since", "told")

    def __init__(self, place: Place) -> None:
        self.place = place
        self.since = time.perf_counter()
        self.told = False
        self._request_id = request_id.get()
        self._route = route.get()
        frame = _outside_of_the_platform()
        # not the frame itself, which would keep all its variables
        self._caller = frame.f_code if frame else None
        self._line = frame.f_lineno if frame else 0

    def describe(self) -> dict[str, object]:
        """Return the fields for the log."""
        fields: dict[str, object] = {"seconds": round(time.perf_counter() - self.since, 1)}
        if self._caller:
            fields["where"] = f"{self._caller.co_filename}:{self._line} {self._caller.co_qualname}"
        if self._request_id:
            fields["request_id"] = self._request_id
        if self._route:
            fields["route"] = self._route()
        if self.place.backend_pid:
            fields["backend_pid"] = self.place.backend_pid
        return fields


class Watch:
    """Logs units of work that hold a connection for longer than the threshold, while they hold it.

    It costs nothing but a timer as long as there are any.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        # a dictionary keeps them in the order in which they began
        self._held: dict[Held, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, place: Place) -> Held:
        """Watch a unit of work."""
        held = Held(place)
        self._held[held] = None
        if self._timer is None:
            self._timer = self._later()
        return held

    def end(self, held: Held) -> None:
        """Watch it no longer."""
        del self._held[held]
        metrics.DB_CONNECTION_HELD_SECONDS.observe(time.perf_counter() - held.since)

    def _look(self) -> None:
        self._timer = None
        now = time.perf_counter()
        for held in self._held:
            if now - held.since < self._threshold:
                break
            if not held.told:
                held.told = True
                log.warning("connection_held_long", **held.describe())
        if self._held:
            self._timer = self._later()

    def _later(self) -> asyncio.TimerHandle:
        # with no context: it would be that of some request, whose id the log lines of all would have
        return asyncio.get_running_loop().call_later(self._threshold, self._look, context=Context())


def _outside_of_the_platform() -> FrameType | None:
    """Return the frame of the caller that is no code of the platform's."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 (documented, and the only way)
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(_PLATFORM):
        frame = frame.f_back
    return frame

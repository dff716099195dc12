"""Workers that are no processes, for the tests of their parent."""

import errno
import signal

from app.platform.http.workers import Workers

RETIRE = "retire"


class FakeWorker:
    """A worker that does what a test says."""

    made: list["FakeWorker"]
    refusals = 0
    pid = 7

    def __init__(self, *_: object) -> None:
        self.has_served = self.outdated = self.is_late = False
        self.exitcode: int | None = None
        self.signals: list[int | str] = []

    def start(self) -> None:
        if self.refusals:
            FakeWorker.refusals -= 1
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        self.made.append(self)

    def kill(self) -> None: ...

    def join(self) -> None: ...

    def retire(self) -> None:
        self.signals.append(RETIRE)

    def kill_when_late(self) -> bool:
        if self.is_late:
            self.exitcode = -9
        return self.is_late

    def lives(self) -> bool:
        return self.exitcode is None

    def send(self, number: signal.Signals) -> None:
        self.signals.append(number)
        self.exitcode = 0


def serve(*these: FakeWorker) -> None:
    for each in these:
        each.has_served = True


def look(parent: Workers, *numbers: signal.Signals) -> None:
    """Do what the parent does twice a second, after these signals."""
    parent.signal_queue += numbers
    parent.handle_signals()
    parent.keep_subprocess_alive()

"""A process that serves the socket of several workers, as itself and as its parent sees it."""

import os
import signal
import time
from contextlib import suppress
from socket import socket

from uvicorn.supervisors.multiprocess import Process

from app.platform.http.draining import Config, Server

_STARTING = 60.0
"""In seconds, that the first answer of a worker may take longer than the others."""

_SERVING = 600.0
"""In seconds, until a worker serves: more than any service needs that loads models or fills caches."""

CLOSING = 30.0
"""In seconds, for a worker to close its resources after its last request."""

_KILLED = 5.0
"""In seconds, for the kernel to end a process that was killed."""

_RETIRE = "retire"

DRAIN = (signal.SIGTERM,)
STOP = (signal.SIGTERM, signal.SIGINT)
"""In this order: the first ends a worker that has not begun to serve, without a traceback."""
KILL = (signal.SIGKILL,)


class Worker(Process):
    """A process that serves. Its parent and itself have the two ends of a pipe, for questions and answers.

    Attributes:
        has_served: it has told its parent that it accepts connections.
        outdated: another one has to take its place.
    """

    config: Config
    _own: Server

    def __init__(self, config: Config, sockets: list[socket]) -> None:
        super().__init__(config, sockets)
        self.has_served = False
        self.outdated = False
        self._started = time.monotonic()
        # it answers once it has imported the service
        self._heard = self._started + _STARTING
        self._ends_by = float("inf")

    def start(self) -> None:
        """Start the process.

        Raises:
            OSError: the machine has no memory, process or file descriptor left.
        """
        super().start()
        # so that the end of one process is the end of the pipe for the other
        self.child_conn.close()

    def target(self, sockets: list[socket] | None = None) -> None:
        """Serve; the new process calls it."""
        self.parent_conn.close()
        for number in (signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU):
            # a terminal sends them to all processes; only the parent has something to do
            signal.signal(number, lambda *_: None)
        # before the thread begins that answers the parent, which would make one as well
        self._server = self._own = Server(self.config, supervised=True, when_started=self._tell)
        super().target(sockets)

    def always_pong(self) -> None:
        """Answer the parent until it ends; a thread of the new process calls it."""
        with suppress(OSError, EOFError):
            super().always_pong()
        # without its parent nobody would stop it, and it would keep the port
        os.kill(os.getpid(), signal.SIGTERM)

    def pong(self) -> None:
        """Answer one question, or begin to retire.

        Raises:
            OSError: the parent has ended.
            EOFError: the same.
        """
        if self.child_conn.recv() == _RETIRE:
            self._own.retire()
        else:
            self.child_conn.send(self._own.started)

    def _tell(self) -> None:
        """Tell the parent without being asked, so that it knows whatever happens next."""
        with suppress(OSError):
            self.child_conn.send(True)

    def lives(self) -> bool:
        """Return whether the process runs and has answered lately, and note whether it has served; do not wait.

        uvicorn's `is_alive` waits for the answer, also when the process ends meanwhile, and no signal is handled.
        """
        with suppress(OSError, EOFError):
            while self.parent_conn.poll():
                self.has_served = self.parent_conn.recv() or self.has_served
                self._heard = time.monotonic()
            self.parent_conn.send("ping")
        now = time.monotonic()
        is_late = not self.has_served and now - self._started > _SERVING
        return self.process.is_alive() and not is_late and now - self._heard < self.config.timeout_worker_healthcheck

    def retire(self) -> None:
        """Let the process end after a drain in which it accepts nothing; one that has not served ends at once."""
        self._ends_by = time.monotonic() + seconds_to_end(self.config)
        with suppress(OSError):
            self.parent_conn.send(_RETIRE)
        if not self.has_served:
            self.send(signal.SIGTERM)

    def kill_when_late(self) -> bool:
        """Kill a process that was told to retire and has not ended in time; return whether it was."""
        if time.monotonic() < self._ends_by:
            return False
        self._ends_by = float("inf")
        self.send(signal.SIGKILL)
        return True

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if the process still runs."""
        if self.exitcode is None and self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def join(self) -> None:
        """Wait for the end of a process that was killed, but not for longer than the kernel usually needs."""
        self.process.join(_KILLED)


def seconds_to_end(config: Config) -> float:
    """Return how long a worker may take to end after a drain."""
    return config.drain + (config.timeout_graceful_shutdown or 0) + CLOSING

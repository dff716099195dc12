"""Several processes that serve the same socket, and the parent that starts, replaces and stops them."""

import os
import signal
import sys
import time
from contextlib import suppress
from socket import socket

import structlog
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from app.platform.http.draining import Config, Server

log = structlog.get_logger(__name__)

SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""In seconds, between two tries to replace a worker; each is twice as long as the one before."""

_STARTING = 60.0
"""In seconds, that the first answer of a worker may take longer than the others."""

_CLOSING = 30.0
"""In seconds, for a worker to close its resources after its last request."""

DRAIN = (signal.SIGTERM,)
STOP = (signal.SIGTERM, signal.SIGINT)
"""In this order: the first ends a worker that has not begun to serve, without a traceback."""
KILL = (signal.SIGKILL,)


class Worker(Process):
    """A process that serves."""

    config: Config

    def __init__(self, config: Config, sockets: list[socket]) -> None:
        super().__init__(config, sockets)
        self.has_served = False
        # it answers once it has imported the service
        self._heard = time.monotonic() + _STARTING

    def target(self, sockets: list[socket] | None = None) -> None:
        """Serve; the new process calls it."""
        # before the thread begins that answers the parent, which would make one as well
        self._server = Server(self.config, supervised=True)
        super().target(sockets)

    def lives(self) -> bool:
        """Return whether the process runs and has answered lately, and note whether it has served; do not wait.

        uvicorn's `is_alive` waits for the answer, also when the process ends meanwhile, and no signal is handled.
        """
        with suppress(OSError, EOFError):
            while self.parent_conn.poll():
                self.has_served = self.parent_conn.recv() or self.has_served
                self._heard = time.monotonic()
            self.parent_conn.send(b"ping")
        return self.process.is_alive() and time.monotonic() - self._heard < self.config.timeout_worker_healthcheck

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if the process still runs."""
        if self.exitcode is None and self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Workers(Multiprocess):
    """uvicorn's parent of workers, with a start that may fail, replacements that are tried again, and a drain.

    A start fails when a worker ends before one has served. Then all end, with a status that supervisors take for a
    failure. While another one serves, a worker that cannot start is started again, after longer and longer pauses.
    """

    config: Config

    def __init__(self, config: Config, sockets: list[socket]) -> None:
        super().__init__(config, sockets)
        self._workers: list[Worker] = []
        self._signals: tuple[signal.Signals, ...] = DRAIN
        self._failed = False
        self._pause = SHORTEST_PAUSE
        self._next_start = 0.0

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            SystemExit: no worker could start.
        """
        super().run()
        if self._failed:
            sys.exit(STARTUP_FAILURE)

    def init_processes(self) -> None:
        """Start the workers that are missing."""
        while len(self._workers) < self.processes_num:
            worker = Worker(self.config, self.sockets)
            worker.start()
            self._workers.append(worker)

    def keep_subprocess_alive(self) -> None:
        """Replace workers that have ended, or that do not answer."""
        if self.should_exit.is_set():
            return
        gone = [each for each in self._workers if not each.lives()]
        for worker in gone:
            self._workers.remove(worker)
            worker.kill()
            worker.join()
        for worker in gone:
            if not self._failed:
                self._note_end(worker)
        if len(self._workers) == self.processes_num and all(each.has_served for each in self._workers):
            self._pause = SHORTEST_PAUSE
        if not self.should_exit.is_set() and (time.monotonic() >= self._next_start or not self._workers):
            self.init_processes()

    def terminate_all(self) -> None:
        """Tell all workers to end."""
        for worker in self._workers:
            for number in self._signals:
                worker.send(number)

    def join_all(self) -> None:
        """Wait for the end of all workers; a further signal ends the drain, and one more SIGINT the requests."""
        deadline = time.monotonic() + self.config.drain + (self.config.timeout_graceful_shutdown or 0) + _CLOSING
        while any(each.exitcode is None for each in self._workers):
            if self.signal_queue:
                self.handle_signals()
                self.terminate_all()
            if time.monotonic() > deadline:
                log.error("workers_killed", reason="They did not end in time.")
                self._signals, deadline = KILL, deadline + _CLOSING
                self.terminate_all()
            time.sleep(0.05)

    def handle_term(self) -> None:
        """Drain, or end the drain."""
        if self.should_exit.is_set() and self._signals is DRAIN:
            self._signals = STOP
        self.should_exit.set()

    def handle_int(self) -> None:
        """Stop without a drain, or without waiting for open requests."""
        self._signals = KILL if self.should_exit.is_set() and self._signals is not DRAIN else STOP
        self.should_exit.set()

    def restart_all(self) -> None:
        """Replace each worker, once its replacement serves."""
        for old in list(self._workers):
            new = Worker(self.config, self.sockets)
            new.start()
            if not new.wait_until_ready(self.config.timeout_worker_healthcheck, self.should_exit):
                new.kill()
                new.join()
                log.error("worker_not_replaced", old=old.pid)
                return
            self._workers.append(new)
            self._workers.remove(old)
            # without a drain: the service stays
            old.send(signal.SIGINT)
            old.join()

    def handle_ttin(self) -> None:
        """Start one more worker."""
        self.processes_num += 1

    def handle_ttou(self) -> None:
        """Stop one worker, unless it is the only one."""
        if self.processes_num > 1:
            self.processes_num -= 1
            worker = self._workers.pop()
            worker.send(signal.SIGINT)
            worker.join()

    def _note_end(self, worker: Worker) -> None:
        """Decide what the end of a worker means."""
        if worker.has_served:
            log.warning("worker_ended", worker=worker.pid, status=worker.exitcode)
        elif any(each.has_served for each in self._workers):
            pause = min(self._pause, LONGEST_PAUSE)
            self._pause = 2 * pause
            self._next_start = time.monotonic() + pause
            log.error("worker_not_started", worker=worker.pid, status=worker.exitcode, again_in=pause)
        else:
            log.error("workers_not_started", worker=worker.pid, status=worker.exitcode)
            self._failed = True
            self._signals = STOP
            self.should_exit.set()

"""Several processes that serve the same socket, and the parent that starts, replaces and stops them."""

import signal
import sys
import time
from socket import socket

import structlog
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess

from app.platform.http.draining import Config
from app.platform.http.worker import CLOSING, DRAIN, KILL, STOP, Worker, seconds_to_end

log = structlog.get_logger(__name__)

SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""In seconds, between two tries to replace a worker; each is twice as long as the one before."""

MOST_WORKERS = 256
"""As many as `HTTP_WORKERS` allows."""


class Workers(Multiprocess):
    """uvicorn's parent of workers, with a start that may fail, replacements that are tried again, and a drain.

    A start fails when a worker ends before one has served. Then all end, with a status that supervisors take for a
    failure. While another one serves, a worker that cannot start is started again, after longer and longer pauses.

    Nothing here waits while the service runs: signals only say how many workers are wanted and which are outdated, and
    each look at the workers, twice a second, does the next step. So signals can come at any time.
    """

    config: Config

    def __init__(self, config: Config, sockets: list[socket]) -> None:
        super().__init__(config, sockets)
        self._workers: list[Worker] = []
        self._leaving: list[Worker] = []
        self._signals: tuple[signal.Signals, ...] = DRAIN
        self._rolling = False
        # SIGHUP has come when some of the replacements had begun
        self._again = False
        self._failed = False
        self._pause = SHORTEST_PAUSE
        self._next_start = 0.0

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            SystemExit: no worker could start.
        """
        try:
            super().run()
        except BaseException:
            # or this process would wait for the workers at its end, and nobody could stop them
            self.terminate_all()
            self.join_all()
            raise
        if self._failed:
            sys.exit(STARTUP_FAILURE)

    def init_processes(self) -> None:
        """Start the workers that are missing, and a replacement of an outdated one when the last one has ended."""
        replacements = any(each.outdated for each in self._workers) and not self._leaving
        while len(self._workers) < self.processes_num + replacements:
            try:
                worker = Worker(self.config, self.sockets)
                worker.start()
            except OSError as error:
                self._note_failure(None, error.strerror)
                return
            self._workers.append(worker)

    def keep_subprocess_alive(self) -> None:
        """Replace workers that have ended, that do not answer or that are outdated; let those go that are too many."""
        if self.should_exit.is_set():
            return
        self._remove_ended()
        while worker := self._superfluous():
            self._workers.remove(worker)
            self._leaving.append(worker)
            worker.retire()
        if len(self._workers) >= self.processes_num and all(each.has_served for each in self._workers):
            self._pause = SHORTEST_PAUSE
            if self._rolling and not any(each.outdated for each in self._workers):
                self._rolling = False
                log.info("workers_replaced")
        if not self.should_exit.is_set() and (time.monotonic() >= self._next_start or not self._workers):
            if self._again and not self._rolling:
                self._begin_roll()
            self.init_processes()

    def terminate_all(self) -> None:
        """Tell all workers to end."""
        for worker in self._workers + self._leaving:
            for number in self._signals:
                worker.send(number)

    def join_all(self) -> None:
        """Wait for the end of all workers; a further signal ends the drain, and one more SIGINT the requests."""
        # or the kernel would go on accepting connections when no worker does any more
        for each in self.sockets:
            each.close()
        deadline = time.monotonic() + seconds_to_end(self.config)
        while any(each.exitcode is None for each in self._workers + self._leaving):
            if self.signal_queue:
                self.handle_signals()
                self.terminate_all()
            if time.monotonic() > deadline:
                log.error("workers_killed", reason="They did not end in time.")
                self._signals, deadline = KILL, deadline + CLOSING
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

    def handle_hup(self) -> None:
        """Replace each worker, once its replacement serves. A replacement that starts goes on, and is replaced later.

        Else no replacement would ever serve when signals come more often than a worker needs to start.
        """
        if self.should_exit.is_set():
            return
        # try at once: the cause of earlier failures may be mended
        self._pause, self._next_start = SHORTEST_PAUSE, 0.0
        if not self._rolling:
            self._begin_roll()
        elif not self._again and not all(each.outdated for each in self._workers):
            self._again = True
            log.info("replacing_again_afterwards")

    def handle_ttin(self) -> None:
        """Start one more worker."""
        self.processes_num = min(self.processes_num + 1, MOST_WORKERS)

    def handle_ttou(self) -> None:
        """Stop one worker, unless it is the only one."""
        self.processes_num = max(self.processes_num - 1, 1)

    def _begin_roll(self) -> None:
        log.info("replacing_workers", workers=[each.pid for each in self._workers])
        for worker in self._workers:
            worker.outdated = True
        self._rolling, self._again = True, False

    def _superfluous(self) -> Worker | None:
        """Return a worker to let go: an outdated one first, then one that does not serve, but never the last that does.

        A replacement of an outdated one is not counted until it serves.
        """
        old = [each for each in self._workers if each.outdated]
        starting = [each for each in self._workers if not (each.has_served or each.outdated)]
        if len(self._workers) <= self.processes_num + bool(old and starting):
            return None
        only = sum(each.has_served for each in self._workers) == 1
        spare = [each for each in reversed(self._workers) if not (only and each.has_served)]
        return min(spare, key=lambda each: (not each.outdated, each.has_served))

    def _remove_ended(self) -> None:
        for worker in self._leaving:
            if worker.kill_when_late():
                log.error("workers_killed", worker=worker.pid, reason="It did not end in time.")
        self._leaving = [each for each in self._leaving if each.exitcode is None]
        gone = [each for each in self._workers if not each.lives()]
        for worker in gone:
            self._workers.remove(worker)
            worker.kill()
            worker.join()
            if worker.exitcode is None:
                self._leaving.append(worker)
        for worker in gone:
            if worker.has_served:
                log.warning("worker_ended", worker=worker.pid, status=worker.exitcode)
            elif not self._failed:
                self._note_failure(worker, worker.exitcode)

    def _note_failure(self, worker: Worker | None, status: object) -> None:
        """Decide what it means that a worker could not start: for the service, for a replacement, for the next try."""
        pid = worker.pid if worker else None
        if not any(each.has_served for each in self._workers):
            log.error("workers_not_started", worker=pid, status=status)
            self._failed = True
            self._signals = STOP
            self.should_exit.set()
            return
        if self._rolling and not (worker and worker.outdated):
            self._rolling = False
            for each in self._workers:
                each.outdated = False
            log.error("workers_not_replaced", workers=[each.pid for each in self._workers])
        pause = min(self._pause, LONGEST_PAUSE)
        self._pause = 2 * pause
        self._next_start = time.monotonic() + pause
        is_wanted = self._rolling or self._again or len(self._workers) < self.processes_num
        log.error("worker_not_started", worker=pid, status=status, again_in=pause if is_wanted else None)

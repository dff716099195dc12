"""Rounds of measurements: in each of them the service and the bare library take turns, each with a new worker."""

import asyncio
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.jobs.client import Findings, Plan
from benchmarks.jobs.subjects import SERVICE, Place, Subject
from benchmarks.proxy import RoundTrips
from benchmarks.server import ServerError, running
from tests.shell import CommandError

SETTLING_SECONDS = 3.0
A_FEW = Plan(jobs=10, sizes=(1,), askers=1, singles=0, pause=0.0)
# of a process, in /proc/…/stat behind its name: its parent, and ticks of the clock in user and system mode
PARENT, TICKS = 1, slice(11, 13)


@dataclass(frozen=True)
class Idle:
    """What a worker without jobs takes, per second."""

    round_trips: float
    cpu_seconds: float | None


@dataclass(frozen=True)
class Measuring:
    """Where to measure, and what to ask for; `scratch` is a directory for logs and notes."""

    place: Place
    plan: Plan
    scratch: Path
    no_cores: frozenset[int] = frozenset()

    async def findings(self, subject: Subject) -> Findings:
        """Start the subject's worker and have it do everything.

        Raises:
            ServerError: it did not.
        """
        notes = self.scratch / "notes"
        program = self.place.worker(subject, notes)
        async with running(program, self.no_cores):
            try:
                return await asyncio.to_thread(self.place.ask, subject, notes, self.plan)
            except CommandError as error:
                raise ServerError(f"{subject.name}: {error}\nThe worker: {program.last_words()}") from None

    async def idle(self, seconds: float) -> Idle:
        """Look at a worker of the service that has done some jobs and has no more to do."""
        target = urlsplit(self.place.env["DATABASE_URL"])
        notes = self.scratch / "notes"
        async with RoundTrips(str(target.hostname), target.port or 5432).running() as proxy:
            netloc = f"{target.username}:{target.password}@127.0.0.1:{proxy.port}"
            worker = self.place.worker(SERVICE, notes, DATABASE_URL=target._replace(netloc=netloc).geturl())
            async with running(worker, self.no_cores) as process:
                await asyncio.to_thread(self.place.ask, SERVICE, notes, A_FEW)
                await asyncio.sleep(SETTLING_SECONDS)
                start, trips, cpu = time.monotonic(), proxy.count, cpu_seconds(process.pid)
                await asyncio.sleep(seconds)
                took = time.monotonic() - start
                used = None if cpu is None else ((cpu_seconds(process.pid) or cpu) - cpu) / took
                return Idle((proxy.count - trips) / took, used)


def cpu_seconds(root: int) -> float | None:
    """The processor time of a process and of all that it started and that still run, where the system tells."""
    stats = _stats()
    ours = {root} & stats.keys()
    # until nobody is found any more, since numbers may start again from the lowest
    while more := {pid for pid, stat in stats.items() if int(stat[PARENT]) in ours} - ours:
        ours |= more
    ticks = [int(tick) for pid in ours for tick in stats[pid][TICKS]]
    return sum(ticks) / os.sysconf("SC_CLK_TCK") if ticks else None


def _stats() -> dict[int, list[str]]:
    """What the system says of each process, behind its name."""
    stats = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        # it may have ended meanwhile
        with suppress(OSError):
            stats[int(path.parent.name)] = path.read_text().rpartition(")")[2].split()
    return stats

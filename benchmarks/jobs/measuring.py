"""Rounds of measurements; in each round the service and the bare library take turns, each with a new worker."""

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
A_FEW = Plan(jobs=10, sizes=(1,), producers=1, singles=0, pause=0.0)
# fields of /proc/…/stat after the process name: the parent, and clock ticks in user and system mode
PARENT, TICKS = 1, slice(11, 13)


@dataclass(frozen=True)
class Idle:
    """The resources that a worker without jobs uses per second."""

    round_trips: float
    cpu_seconds: float | None


@dataclass(frozen=True)
class Measuring:
    """The installed service and the plan; `scratch` is a directory for logs and notes."""

    place: Place
    plan: Plan
    scratch: Path
    no_cores: frozenset[int] = frozenset()

    async def findings(self, subject: Subject) -> Findings:
        """Start the subject's worker and carry out the plan.

        Raises:
            ServerError: the client failed.
        """
        notes = self.scratch / "notes"
        program = self.place.worker(subject, notes)
        async with running(program, self.no_cores):
            try:
                return await asyncio.to_thread(self.place.run_client, subject, notes, self.plan)
            except CommandError as error:
                raise ServerError(f"{subject.name}: {error}\nThe worker: {program.last_words()}") from None

    async def idle(self, seconds: float) -> Idle:
        """Observe a worker of the service that has done some jobs and is now idle."""
        target = urlsplit(self.place.env["DATABASE_URL"])
        notes = self.scratch / "notes"
        async with RoundTrips(str(target.hostname), target.port or 5432).running() as proxy:
            netloc = f"{target.username}:{target.password}@127.0.0.1:{proxy.port}"
            worker = self.place.worker(SERVICE, notes, DATABASE_URL=target._replace(netloc=netloc).geturl())
            async with running(worker, self.no_cores) as process:
                await asyncio.to_thread(self.place.run_client, SERVICE, notes, A_FEW)
                await asyncio.sleep(SETTLING_SECONDS)
                start, trips, cpu = time.monotonic(), proxy.count, cpu_seconds(process.pid)
                await asyncio.sleep(seconds)
                took = time.monotonic() - start
                used = None if cpu is None else ((cpu_seconds(process.pid) or cpu) - cpu) / took
                return Idle((proxy.count - trips) / took, used)


def cpu_seconds(root: int) -> float | None:
    """Return the CPU time of a process and its running descendants; None where the system does not report it."""
    stats = _stats()
    ours = {root} & stats.keys()
    # repeat until no child is found: process ids wrap around, so a child's may be lower than its parent's
    while more := {pid for pid, stat in stats.items() if int(stat[PARENT]) in ours} - ours:
        ours |= more
    ticks = [int(tick) for pid in ours for tick in stats[pid][TICKS]]
    return sum(ticks) / os.sysconf("SC_CLK_TCK") if ticks else None


def _stats() -> dict[int, list[str]]:
    """Return the fields of /proc/…/stat after the process name, for each process."""
    stats = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        # the process may have ended in the meantime
        with suppress(OSError):
            stats[int(path.parent.name)] = path.read_text().rpartition(")")[2].split()
    return stats

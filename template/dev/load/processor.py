"""Measures which processes keep the cores of this machine busy."""

import os
import time
from dataclasses import dataclass, field
from typing import Any

# comes with Locust
import psutil

from dev.load.results import Cpu

KINDS = {("-m", "app", "api"): "service", ("-m", "app", "worker"): "worker"}


@dataclass
class Moment:
    """CPU seconds so far: of the machine, and of each process by its kind."""

    when: float
    machine: float
    by_process: dict[str, dict[int, float]] = field(default_factory=dict)


class Cores:
    """What has been used since this was made.

    Args:
        generator: the process id of the load generator.
    """

    def __init__(self, generator: int) -> None:
        self._generator = generator
        self._before = self._now()

    def used(self) -> Cpu:
        """Return how many cores were busy since then."""
        now, before = self._now(), self._before
        seconds = max(0.001, now.when - before.when)
        used: dict[str, list[float]] = {}
        for kind, each in now.by_process.items():
            earlier = before.by_process.get(kind, {})
            used[kind] = [max(0.0, spent - earlier.get(pid, 0.0)) / seconds for pid, spent in each.items()]
        return Cpu(
            cores=len(_cores(psutil.cpu_times(percpu=True))),
            machine=(now.machine - before.machine) / seconds,
            generator=sum(used.get("generator", [])),
            service=_total(used.get("service")),
            busiest=max(used["service"]) if used.get("service") else None,
            database=_total(used.get("database")),
            worker=_total(used.get("worker")),
        )

    def _now(self) -> Moment:
        moment = Moment(time.monotonic(), sum(map(_busy, _cores(psutil.cpu_times(percpu=True)))))
        kinds: dict[int, str] = {}
        for process in psutil.Process().children(recursive=True):
            _note(process, kinds, moment, self._generator)
        return moment


def _note(process: Any, kinds: dict[int, str], moment: Moment, generator: int) -> None:
    """Note a process; `children()` returns parents before their children, which are of the same kind."""
    try:
        spent = process.cpu_times()
        kind = "generator" if process.pid == generator else kinds.get(process.ppid(), "") or _kind(process)
    except psutil.Error:
        # it has ended meanwhile
        return
    kinds[process.pid] = kind
    if kind:
        moment.by_process.setdefault(kind, {})[process.pid] = spent.user + spent.system


def _kind(process: Any) -> str:
    if process.name().startswith("postgres"):
        return "database"
    return KINDS.get(tuple(process.cmdline()[1:]), "")


def _total(used: list[float] | None) -> float | None:
    return sum(used) if used else None


def _cores(every: list[Any]) -> list[Any]:
    """Return those of all cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return [times for number, times in enumerate(every) if number in os.sched_getaffinity(0)] or every
    return every


def _busy(times: Any) -> float:
    # what guests use is a part of `user` and `nice`
    left_out = ("idle", "iowait", "guest", "guest_nice")
    return float(sum(times) - sum(getattr(times, name, 0.0) for name in left_out))

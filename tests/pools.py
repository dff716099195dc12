"""The pools that the profiles promise."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pool:
    """The numbers of a profile as the documentation promises them, on purpose not read from the template."""

    size: int
    overflow: int
    recycle: int

    def event(self) -> dict[str, int | str]:
        """Return these fields of the event `database_pool`."""
        return {
            "size": self.size,
            "overflow": self.overflow,
            "recycle": self.recycle,
            "total": self.size + self.overflow,
        }


POOLS = {
    "small": Pool(5, 5, 3600),
    "medium": Pool(20, 10, 1800),
    "high": Pool(50, 20, 900),
}

# connections beside the pools of a process, and those of a server that are reserved (src/app/platform/db/budget.py)
BESIDE_THE_GATE, LISTENERS_OF_A_WORKER, RESERVED = 2, 1, 3
# Celery runs jobs in TASKS_CONCURRENCY processes, by default two
PROCESSES_OF_A_WORKER = {"arq": 1, "celery": 3}


def of_a_process(profile: str) -> int:
    """Return the most connections of a process that answers requests or runs jobs."""
    pool = POOLS[profile]
    return pool.size + pool.overflow + BESIDE_THE_GATE


def of_a_worker(profile: str, queue: str) -> int:
    """Return the most connections of a worker for jobs, with all of its processes."""
    return PROCESSES_OF_A_WORKER[queue] * of_a_process(profile) + LISTENERS_OF_A_WORKER

"""The results of a load test: what `report.json` holds."""

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, Field

# of all cores
FULL_MACHINE = 0.9

Phase = Literal["begin", "round", "check"]


class Timings(BaseModel):
    """Milliseconds until the response, of the requests that were answered as expected."""

    p50: float
    p95: float
    p99: float
    longest: float


class Requests(BaseModel):
    """All requests of one name in one step.

    Attributes:
        phase: before the first round of a client, in its rounds, or in the check after them.
        good: requests that were answered as expected.
        late: of them, those in rounds that were answered after the time of the step; they count in no rate.
        errors: the others that were answered, by status or by what was wrong with the content.
        unanswered: requests without a response, by cause.
        timings: `None` when none was answered as expected.
    """

    name: str
    phase: Phase
    good: int
    errors: dict[str, int]
    unanswered: dict[str, int]
    timings: Timings | None
    late: int = 0


class Pool(BaseModel):
    """The connection pools of the service during a step, from `/metrics`.

    Attributes:
        size: connections that the pools of all processes keep open.
        overflow: connections beyond them.
        in_use: the most that were in use when it was looked.
        waiting: the most units of work that waited then.
        waited_ms: how long a unit of work waited for its turn, on average.
        waited_p99_ms: 99 of 100 waited at most so long; a bound of the histogram, `None` above the greatest.
        held_ms: how long it held its connection, on average.
        held: how many units of work there were.
        timeouts: how many got no connection.
        requests: how many requests the service counted.
        limit: connections that PostgreSQL allows; 0 where it is not known.
        looks: how often the gauges were read.
        seconds: in which all of this was counted; a little more than the step.
    """

    size: int
    overflow: int
    in_use: int
    waiting: int
    waited_ms: float
    waited_p99_ms: float | None
    held_ms: float
    held: int
    timeouts: int
    requests: int
    limit: int
    looks: int
    seconds: float

    @property
    def total(self) -> int:
        """Return the most connections that the pools may open."""
        return self.size + self.overflow

    @property
    def queries(self) -> float:
        """Return how many units of work a request needed, on average."""
        return self.held / self.requests if self.requests else 0.0


class Cpu(BaseModel):
    """How many cores were busy during a step, on average; `None` where it is not known.

    Attributes:
        cores: those of this machine.
        machine: all processes of this machine.
        generator: the process that sends the requests; it can use one core.
        service: all processes that serve HTTP.
        busiest: the busiest of them.
        database: PostgreSQL.
        worker: the background jobs.
    """

    cores: int
    machine: float
    generator: float
    service: float | None = None
    busiest: float | None = None
    database: float | None = None
    worker: float | None = None

    @property
    def full(self) -> bool:
        """Return whether all cores were busy."""
        return self.machine >= FULL_MACHINE * self.cores

    @property
    def others(self) -> float | None:
        """Return what processes used that have nothing to do with the test; `None` where that is not known."""
        if self.service is None or self.database is None:
            return None
        return max(0.0, self.machine - self.generator - self.service - self.database - (self.worker or 0.0))


class Step(BaseModel):
    """One step of the ramp.

    Attributes:
        clients: how many were to begin.
        began: how many began.
        seconds: for which their rounds were measured.
        timings: of all requests in the rounds.
        confirmed: how much the service has confirmed to have stored.
        lost: how much of it was not there at the end.
        unchecked: how much of it could not be looked for.
    """

    clients: int
    began: int
    seconds: float
    requests: list[Requests]
    timings: Timings | None
    confirmed: int
    lost: int
    unchecked: int
    pool: Pool | None = None
    cpu: Cpu | None = None

    @property
    def per_second(self) -> float:
        """Return how many requests of the rounds were answered as expected in a second, while the step lasted."""
        return sum(each.good - each.late for each in self.requests if each.phase == "round") / self.seconds

    @property
    def answered(self) -> int:
        """Return how many requests were answered at all."""
        return sum(each.good + sum(each.errors.values()) for each in self.requests)

    def errors(self) -> dict[str, int]:
        """Return the number of wrong responses, by what was wrong."""
        return added(each.errors for each in self.requests)

    def unanswered(self) -> dict[str, int]:
        """Return the number of requests without a response, by cause."""
        return added(each.unanswered for each in self.requests)


class Run(BaseModel):
    """A whole test.

    Attributes:
        started: the moment, in ISO 8601.
        target: the address of the service.
        settings: what is known about the service, to be shown.
        processes: how many processes of the service there are; `None` if that is not known.
        steps: those that were done.
        problem: why the test ended early; empty if it did not.
    """

    started: str
    target: str
    settings: dict[str, str]
    processes: int | None = None
    steps: list[Step] = Field(default_factory=list)
    problem: str = ""


def in_words(clients: int) -> str:
    """Return such as `1 client`."""
    return f"{clients} client{'' if clients == 1 else 's'}"


def added(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Add up counts by their names, the greatest first."""
    total: dict[str, int] = {}
    for each in counts:
        for name, count in each.items():
            total[name] = total.get(name, 0) + count
    return dict(sorted(total.items(), key=lambda item: -item[1]))

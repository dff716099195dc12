"""Steps of a load test as if they had been measured, and a plan."""

import tomllib
from pathlib import Path

from dev.load.plan import Plan
from dev.load.results import Cpu, Pool, Requests, Run, Step, Timings

THRESHOLDS = Path(__file__).parents[3] / "tests/make_load/thresholds.toml"
IDLE = Cpu(cores=8, machine=2.0, generator=0.4, service=0.5, busiest=0.5, database=0.8)
ROOMY = Pool(
    size=5,
    overflow=5,
    in_use=3,
    waiting=0,
    waited_ms=0.0,
    waited_p99_ms=1.0,
    held_ms=4.0,
    held=6000,
    timeouts=0,
    requests=3000,
    limit=97,
    looks=40,
    seconds=10.0,
)
FULL = ROOMY.model_copy(update={"in_use": 10, "waiting": 54, "waited_ms": 30.0})


def step(
    clients: int,
    rps: float,
    pool: Pool | None = ROOMY,
    cpu: Cpu | None = IDLE,
    p50: float = 20.0,
    **counts: dict[str, int],
) -> Step:
    """Make a step of 10 seconds."""
    times = Timings(p50=p50, p95=2 * p50, p99=3 * p50, longest=4 * p50)
    one = Requests(
        name="GET /things",
        phase="round",
        good=round(rps * 10),
        errors=counts.get("errors", {}),
        unanswered=counts.get("unanswered", {}),
        timings=times,
    )
    return Step(
        clients=clients,
        began=clients,
        seconds=10,
        requests=[one],
        timings=times,
        confirmed=5,
        lost=0,
        unchecked=0,
        pool=pool,
        cpu=cpu,
    )


def run(*steps: Step, processes: int | None = 1) -> Run:
    return Run(
        started="now", target="http://127.0.0.1:1", settings={"a <b>": "c & d"}, processes=processes, steps=list(steps)
    )


def busy(**changes: float) -> Cpu:
    return IDLE.model_copy(update=changes)


def plan(**thresholds: float) -> Plan:
    given = tomllib.loads(THRESHOLDS.read_text())
    return Plan.model_validate(given | {"thresholds": thresholds, "requests": {"GET /things": {"p99_ms": 50}}})

"""The load test: `make load`.

LOAD_CLIENTS=1,8 and LOAD_SECONDS=5 change a single run. LOAD_URL=http://127.0.0.1:8000 tests a running service.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from app.platform.settings import ConfigError
from dev.errors import ServiceError
from dev.load import report
from dev.load.advice import advice
from dev.load.measuring import measure
from dev.load.plan import Plan, read
from dev.load.results import Run
from dev.load.target import ROOT, Target, given, started
from dev.load.verdict import findings
from dev.lock import locked

THRESHOLDS = Path("tests/make_load/thresholds.toml")
# git ignores .dev/
DIRECTORY = ROOT / ".dev" / "load"


def show(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextmanager
def service(plan: Plan) -> Iterator[Target]:
    """Yield the service to be tested."""
    if url := os.environ.get("LOAD_URL"):
        yield given(url, anywhere=os.environ.get("LOAD_ANYWHERE") == "1")
    else:
        show("starting the service on a PostgreSQL of its own ...")
        with started(DIRECTORY, plan.environment) as target:
            yield target


def test(plan: Plan) -> Run:
    """Run the test; whatever happens to the service, there are results."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    run = Run(started=now, target="a service that was not reached", settings={})
    try:
        with service(plan) as target:
            run.target, run.settings, run.processes = target.url, target.settings, target.processes
            measure(target, plan.ramp, run, DIRECTORY / "generator.log", show)
    except (ServiceError, ConfigError) as error:
        run.problem = run.problem or str(error)
    return run


def write(plan: Plan, run: Run) -> bool:
    """Write and print the report; return whether all thresholds are kept. Without a step, the last report stays."""
    if not run.steps:
        show(f"ENDED EARLY: {run.problem}")
        return False
    found = findings(plan, run)
    advised = advice(run)
    page, data = DIRECTORY / "load-report.html", DIRECTORY / "load-report.json"
    page.write_text(report.as_html(run, found, advised))
    data.write_text(run.model_dump_json(indent=2) + "\n")
    for line in report.as_text(run, found, advised):
        show(line)
    show(f"report: {page.relative_to(ROOT)}, {data.relative_to(ROOT)}")
    return not run.problem and all(finding.kept for finding in found)


def main() -> int:
    """Return 0 if the test came to its end and all thresholds are kept."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # nohup ignores SIGHUP
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    try:
        plan = read(THRESHOLDS, os.environ)
        DIRECTORY.mkdir(parents=True, exist_ok=True)
        with locked(DIRECTORY / "lock", lambda: "another load test of this project is running"):
            return 0 if write(plan, test(plan)) else 1
    except ServiceError as error:
        show(f"dev.load: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())

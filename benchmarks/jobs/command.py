"""Measures background jobs through the outbox, the relay, the broker and a worker, compared to the same library alone.

Each round restarts every worker; another process enqueues empty jobs. All processes share the same cores, and
PostgreSQL does not wait for its disk. Only ratios are meaningful; they are the medians of the ratios of all rounds.
"""

import argparse
import asyncio
import platform
import sys
import tempfile
from pathlib import Path

from benchmarks.jobs import report, subjects
from benchmarks.jobs.client import Findings, Plan
from benchmarks.jobs.measuring import Measuring
from benchmarks.jobs.subjects import QUEUES, Place, Queue, Subject
from benchmarks.server import ServerError
from tests import rendering
from tests.shell import CommandError
from tests.variants import ROOT, choices

PAUSE_SECONDS = 0.02


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks jobs", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="starts of each worker (5)")
    parser.add_argument("--jobs", type=int, default=2000, help="empty jobs in a measurement (2000)")
    parser.add_argument("--batch", type=int, default=100, help="jobs in a transaction, when enqueued in batches (100)")
    parser.add_argument("--producers", type=int, default=30, help="concurrent transactions that enqueue jobs (30)")
    parser.add_argument("--singles", type=int, default=200, help="jobs in a round that are enqueued one by one (200)")
    parser.add_argument("--idle", type=float, default=10.0, help="seconds to observe an idle worker (10)")
    parser.add_argument("--only", choices=[queue.answer for queue in QUEUES], help="only this queue")
    drivers = choices()["db_driver"]
    parser.add_argument("--driver", choices=drivers, default=drivers[0], help=f"the service's ({drivers[0]})")
    parser.add_argument("--service", type=Path, help="an installed service, instead of new ones; needs --only")
    return parser.parse_args(arguments)


async def measure(options: argparse.Namespace, queue: Queue, place: Place, scratch: Path) -> str:
    """Measure one queue, and return its table."""
    plan = Plan(options.jobs, (1, options.batch), options.producers, options.singles, PAUSE_SECONDS)
    measuring = Measuring(place, plan, scratch)
    await asyncio.to_thread(place.migrate)
    results: dict[Subject, list[Findings]] = {subject: [] for subject in queue.subjects}
    for number in range(options.rounds):
        say(f"{queue.answer}, round {number + 1} of {options.rounds}")
        for subject, found in results.items():
            found.append(await measuring.findings(subject))
    say(f"{queue.answer}, idle")
    return report.table(queue, plan, results, await measuring.idle(options.idle))


def say(what: str) -> None:
    """Report progress."""
    sys.stderr.write(f"{what} ...\n")


def tables(options: argparse.Namespace, scratch: Path) -> None:
    """Measure the queues one after the other, each with its own servers, and print the tables."""
    # the services' launcher of servers, importable only now
    from dev.postgres import postgres  # noqa: PLC0415
    from dev.redis import redis  # noqa: PLC0415

    say("Rendering and installing")
    repository = rendering.snapshot(scratch / "repository")
    found = []
    for queue in QUEUES:
        if options.only not in {None, queue.answer}:
            continue
        service = options.service or subjects.installed(queue, repository, scratch / queue.answer, options.driver)
        with postgres() as database_url, redis() as redis_url:
            place = Place(service.resolve(), repository, subjects.given(queue, database_url, redis_url))
            found.append(asyncio.run(measure(options, queue, place, scratch)))
    sys.stdout.write(
        f"\nPython {platform.python_version()}; {options.jobs} jobs; {options.rounds} rounds; {options.driver}\n"
        f"Medians. ratio: the first one alone in the same round = 1.00. {report.AIMS}\n\n" + "\n".join(found)
    )


def main(arguments: list[str]) -> int:
    """Run the command line, and clean up however it ends."""
    options = parse(arguments)
    sys.path.append(str(ROOT / "template"))
    from dev.errors import ServiceError  # noqa: PLC0415 - importable only now

    with tempfile.TemporaryDirectory(prefix="benchmarks-", ignore_cleanup_errors=True) as name:
        try:
            tables(options, Path(name).resolve())
        except (CommandError, ServerError, ServiceError, OSError) as error:
            sys.stderr.write(f"The benchmark failed: {error}\n")
            return 1
        except KeyboardInterrupt:
            return 130
    return 0

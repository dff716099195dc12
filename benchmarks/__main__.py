"""Measures each structural variant and the usual tutorial, in one run on one PostgreSQL.

The services run with production settings and everything enabled. Only ratios are meaningful, and only those further
from 1.00 than the ratio of the tutorial's twin, which is the same program as the tutorial.
"""

import argparse
import asyncio
import platform
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks import apps, report, workload
from benchmarks.apps import App
from benchmarks.benchmark import Benchmark, Results
from benchmarks.jobs import command
from benchmarks.server import Cores, ServerError, pinned
from benchmarks.workload import ENDPOINTS
from tests import rendering
from tests.shell import CommandError
from tests.variants import ROOT

BASELINE = "tutorial"
BASELINE_DRIVER = "asyncpg"
TUTORIALS = {BASELINE: BASELINE_DRIVER, "tutorial, its twin": BASELINE_DRIVER, "tutorial, psycopg": "psycopg"}


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="starts of each app (5; take 8 for less than 15 %%)")
    parser.add_argument("--connections", type=int, default=16, help="concurrent clients (16)")
    parser.add_argument("--seconds", type=float, default=10.0, help="the longest a measurement may take (10)")
    answers = [answer for offered in apps.STRUCTURES.values() for answer in offered]
    only = "only services with these answers, such as psycopg dao; those with a queue if it is named, such as celery"
    parser.add_argument("--only", nargs="+", default=[], choices=answers, metavar="ANSWER", help=only)
    parser.add_argument("--compare", type=Path, help="another working tree of this repository, measured as well")
    return parser.parse_args(arguments)


def build(options: argparse.Namespace, place: Path) -> list[App]:
    """Render and install all apps."""
    template = rendering.snapshot(place / "template")
    trees = {"": template}
    if options.compare:
        trees["other"] = rendering.snapshot(place / "other", options.compare.resolve())
    services = [
        apps.service(tree, place, structure, label)
        for label, tree in trees.items()
        for structure in apps.structures(tree, options.only)
    ]
    environments = {app.driver: app for app in reversed(services)}
    if BASELINE_DRIVER not in environments:
        plain = apps.structures(template, [BASELINE_DRIVER])[0]
        environments[BASELINE_DRIVER] = apps.service(template, place, plain)
    tutorials = [
        apps.tutorial(name, template, driver, environments[driver], services[0].schema)
        for name, driver in TUTORIALS.items()
        if driver in environments
    ]
    return tutorials + services


async def measure(options: argparse.Namespace, place: Path, server_url: str, cores: Cores) -> int:
    """Run the whole benchmark and print the tables; return 1 if a request failed."""
    say("Rendering and installing")
    found = build(options, place)
    say("Migrating and filling the databases")
    people = await workload.prepare(found, place / "template", server_url, cores)
    benchmark = Benchmark(found, people, server_url, cores, options.connections, options.seconds)
    say("Counting round trips")
    trips = await benchmark.round_trips()
    results: Results = {endpoint: {app.name: [] for app in found} for endpoint in ENDPOINTS}
    for number in range(options.rounds):
        say(f"Round {number + 1} of {options.rounds}")
        for endpoint, samples in (await benchmark.round(number)).items():
            for name, more in samples.items():
                results[endpoint][name] += more
    python = f"Python {platform.python_version()}"
    sys.stdout.write(
        f"\n{python}; {cores}; {options.connections} connections; {options.rounds} rounds\n"
        f"Medians. ratio: {BASELINE} in the same turn = 1.00 (middle half of all turns)."
        f" trips: to PostgreSQL, which does not wait for its disk.\n"
    )
    for endpoint, rounds in results.items():
        sys.stdout.write("\n" + report.table(endpoint.title, rounds, trips[endpoint], BASELINE))
    failed = sum(
        sample.outcome.failed for rounds in results.values() for samples in rounds.values() for sample in samples
    )
    sys.stdout.write(f"\n{failed} requests were refused or not answered.\n")
    return 1 if failed else 0


def say(what: str) -> None:
    """Report progress."""
    sys.stderr.write(f"{what} ...\n")


def main(arguments: list[str]) -> int:
    """Run the command line, and clean up however it ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if arguments[:1] == ["jobs"]:
        return command.main(arguments[1:])
    options = parse(arguments)
    sys.path.append(str(ROOT / "template"))
    from dev.errors import ServiceError  # noqa: PLC0415 - importable only now
    from dev.postgres import postgres  # noqa: PLC0415

    cores = Cores.choose()
    with tempfile.TemporaryDirectory(prefix="benchmarks-", ignore_cleanup_errors=True) as name, pinned(cores.others):
        try:
            with postgres() as server_url:
                return asyncio.run(measure(options, Path(name).resolve(), server_url, cores))
        except (CommandError, ServerError, ServiceError, OSError) as error:
            sys.stderr.write(f"The benchmark failed: {error}\n")
            return 1
        except KeyboardInterrupt:
            return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

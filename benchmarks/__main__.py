"""Runs the sections of the benchmark and prints their tables: `python -m benchmarks --help`."""

import argparse
import asyncio
import json
import platform
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks import answers, apps, importing, options, peer, restarts, starting, starvation, workload
from benchmarks.apps import App
from benchmarks.bench import BASELINE, TWIN, Bench, say
from benchmarks.jobs import command
from benchmarks.report import Section
from benchmarks.server import Cores, ServerError, pinned
from tests import rendering
from tests.shell import CommandError
from tests.variants import ROOT

BASELINE_DRIVER = "asyncpg"
TUTORIALS = {BASELINE: BASELINE_DRIVER, TWIN: BASELINE_DRIVER, "tutorial, psycopg": "psycopg"}


def build(wanted: argparse.Namespace, place: Path) -> list[App]:
    """Render and install all apps."""
    template = rendering.snapshot(place / "template")
    trees = {"": template}
    if wanted.compare:
        trees["other"] = rendering.snapshot(place / "other", wanted.compare.resolve())
    services = [
        apps.service(tree, place, structure, label)
        for label, tree in trees.items()
        for structure in apps.structures(tree, wanted.only)
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
    return tutorials + services + ([peer.rendered(place)] if wanted.peers else [])


async def sections(wanted: argparse.Namespace, bench: Bench) -> AsyncIterator[Section]:
    """Yield the wanted sections; the import comes after those that read orders, because it removes them."""
    if "requests" in wanted.sections:
        yield await answers.measure(bench, wanted.clients, count=wanted.instructions)
    if "starvation" in wanted.sections:
        yield await starvation.measure(bench.about_data(), wanted.pools, wanted.crowds, wanted.window)
    if "import" in wanted.sections:
        yield await importing.measure(bench.about_data(), importing.Sizes(wanted.orders, wanted.large))
    if "start" in wanted.sections:
        yield await starting.measure(bench.without_twin())


async def measure(wanted: argparse.Namespace, place: Path, server_url: str, cores: Cores) -> int:
    """Run the benchmark, print each table when it is there, and write the JSON; return 1 if a service failed."""
    say("Rendering and installing")
    found = build(wanted, place)
    say("Migrating and filling the databases")
    people = await workload.prepare(found, place / "template", server_url, cores)
    bench = Bench(found, people, server_url, place / "template", cores, wanted.rounds, wanted.seconds)
    head = f"Python {platform.python_version()}; {cores}; {wanted.rounds} rounds"
    sys.stdout.write(f"\n{head}\n")
    measured = []
    async for section in sections(wanted, bench):
        sys.stdout.write(f"\n{section}")
        sys.stdout.flush()
        measured.append(section)
        if wanted.json:
            document = {
                "run": head,
                "apps": [app.name for app in found],
                "sections": [each.json() for each in measured],
            }
            wanted.json.write_text(json.dumps(document, indent=1) + "\n")
    failed = sum(section.failed for section in measured)
    sys.stdout.write(f"\nThe services of this tree refused or did not answer {failed} requests.\n")
    return 1 if failed else 0


def main(arguments: list[str]) -> int:
    """Run the command line, and clean up however it ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if arguments[:1] == ["jobs"]:
        return command.main(arguments[1:])
    if arguments[:1] == ["restarts"]:
        return restarts.main(arguments[1:])
    wanted = options.parse(arguments)
    sys.path.append(str(ROOT / "template"))
    from dev.errors import ServiceError  # noqa: PLC0415 - importable only now
    from dev.postgres import postgres  # noqa: PLC0415

    cores = Cores.choose()
    with tempfile.TemporaryDirectory(prefix="benchmarks-", ignore_cleanup_errors=True) as name, pinned(cores.others):
        try:
            with postgres() as server_url:
                return asyncio.run(measure(wanted, Path(name).resolve(), server_url, cores))
        except (CommandError, ServerError, ServiceError, OSError) as error:
            sys.stderr.write(f"The benchmark failed: {error}\n")
            return 1
        except KeyboardInterrupt:
            return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

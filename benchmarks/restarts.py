"""Restarts two instances in turn, behind a balancer that asks `/readyz` every second, and counts the lost requests.

Half of the clients keep their connections, and half make a new one for each request; nothing is tried again. An
instance is restarted once both are ready. With `--drain 0` it stops at SIGTERM, as most servers do.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from benchmarks import apps, workload
from benchmarks.apps import PROBES, App
from benchmarks.server import Cores, Program, Server, ServerError, free_port, serving
from tests import rendering
from tests.platform.support.balancer import Balancer, balancing
from tests.shell import CommandError
from tests.variants import ROOT

PATH = "/api/v1/users/me"
READY_SECONDS = 60.0


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks restarts", description=__doc__)
    parser.add_argument("--restarts", type=int, default=10, help="of instances, in turn (10)")
    parser.add_argument("--drain", default="5", metavar="SECONDS", help="HTTP_DRAIN_SECONDS (5)")
    parser.add_argument("--workers", default="1", help="HTTP_WORKERS of each instance (1)")
    parser.add_argument("--clients", type=int, default=4, help="that send requests at a time, of each kind (4)")
    return parser.parse_args(arguments)


class Instance:
    """An instance of a service, always on the same port."""

    def __init__(self, app: App, server_url: str, options: argparse.Namespace) -> None:
        self.port = free_port()
        variables = {"HTTP_DRAIN_SECONDS": options.drain, "HTTP_WORKERS": options.workers}
        self._program = Program(
            command=app.command,
            cwd=app.cwd,
            env=app.variables(server_url, self.port, **variables),
            log=app.cwd / f"server-{self.port}.log",
        )
        self._probe = PROBES[app.kind]
        self._running = AsyncExitStack()

    async def start(self) -> Server:
        """Start it, and wait until it is ready."""
        return await self._running.enter_async_context(serving(self._program, self.port, self._probe, frozenset()))

    async def stop(self) -> None:
        """Send SIGTERM, and wait for its end."""
        await self._running.aclose()


@asynccontextmanager
async def loaded(instances: Sequence[Instance], header: str, clients: int) -> AsyncIterator[dict[str, Balancer]]:
    """Send requests to the instances until the end of the block."""
    ports = [each.port for each in instances]
    async with (
        balancing(ports, PATH, header, clients=clients, keep_alive=True) as keeping,
        balancing(ports, PATH, header, clients=clients, keep_alive=False) as making,
    ):
        yield {"kept": keeping, "new": making}


async def restarted(app: App, people: workload.People, server_url: str, options: argparse.Namespace) -> list[str]:
    """Restart the instances of a service, and return the lines of its table."""
    instances = [Instance(app, server_url, options) for _ in range(2)]
    try:
        reader, _ = await workload.sign_in((await asyncio.gather(*(each.start() for each in instances)))[0], *people)
        async with loaded(instances, f"Authorization: {reader.headers['authorization']}", options.clients) as balancers:
            for number in range(options.restarts):
                sys.stderr.write(f"{app.name}, restart {number + 1} of {options.restarts} ...\n")
                instance = instances[number % 2]
                await instance.stop()
                await instance.start()
                for each in balancers.values():
                    async with asyncio.timeout(READY_SECONDS):
                        await each.until_ready(2)
    finally:
        for instance in instances:
            await instance.stop()
    for each in balancers.values():
        sys.stderr.writelines(f"lost: {lost}\n" for lost in each.lost[:5])
    return [f"{app.name:28}{kind:>12}{each.answered:>10}{len(each.lost):>6}" for kind, each in balancers.items()]


async def measure(options: argparse.Namespace, place: Path, server_url: str) -> str:
    """Restart services with each driver, and return the table."""
    template = rendering.snapshot(place / "template")
    drivers = {structure[apps.DRIVER]: structure for structure in apps.structures(template)}
    found = [apps.service(template, place, structure) for structure in drivers.values()]
    people = await workload.prepare(found, template, server_url, Cores())
    lines = [f"{'':28}{'connections':>12}{'answered':>10}{'lost':>6}"]
    for app in found:
        lines += await restarted(app, people[app.schema], server_url, options)
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Run the command line."""
    options = parse(arguments)
    sys.path.append(str(ROOT / "template"))
    from dev.errors import ServiceError  # noqa: PLC0415 - importable only now
    from dev.postgres import postgres  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="restarts-", ignore_cleanup_errors=True) as name:
        try:
            with postgres() as server_url:
                table = asyncio.run(measure(options, Path(name).resolve(), server_url))
        except (CommandError, ServerError, ServiceError, OSError) as error:
            sys.stderr.write(f"The restarts failed: {error}\n")
            return 1
    title = f"{options.restarts} restarts, drained for {options.drain} s, workers: {options.workers}"
    sys.stdout.write(f"{title}\n\n{table}\n")
    return 0

"""Counts the instructions that a server executes for one request, with valgrind's callgrind.

Unlike seconds, the counts are the same on a busy machine: one start is enough to see a change of 1 %.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import apps, workload
from benchmarks.apps import App
from benchmarks.load import load
from benchmarks.server import Cores, Server, ServerError
from benchmarks.workload import ENDPOINTS, Endpoint, People
from tests import rendering
from tests.shell import run
from tests.variants import ROOT

WARM_UP_REQUESTS = 20
# a server under valgrind is some fifty times slower, so that a part of the requests of a measured turn is enough
PART_OF_A_TURN = 3
SECONDS = 300.0
TUTORIAL = "tutorial"


@dataclass(frozen=True)
class Callgrind:
    """A valgrind that counts the instructions of a server, and how to command it."""

    folder: Path

    def watching(self, app: App) -> App:
        """Return the app, to be run under valgrind, which counts nothing until it is told to."""
        options = [
            "--tool=callgrind",
            "--instr-atstart=no",
            f"--vgdb-prefix={self.folder}/vgdb",
            f"--callgrind-out-file={self.folder}/out",
        ]
        # Python's random hashes would change the order of its sets, and so the counts
        return replace(app, command=["valgrind", *options, *app.command], env={**app.env, "PYTHONHASHSEED": "0"})

    def tell(self, server: Server, *words: str) -> None:
        """Give the server's valgrind a command."""
        run("vgdb", f"--vgdb-prefix={self.folder}/vgdb", f"--pid={server.pid}", *words, cwd=self.folder)

    def dump(self, server: Server) -> int:
        """Return the number of instructions since the last command `zero`."""
        self.tell(server, "dump")
        newest = max(self.folder.glob("out.*"), key=lambda path: int(path.suffix[1:]))
        totals = [line for line in newest.read_text().splitlines() if line.startswith("totals:")]
        return int(totals[0].split()[1])


async def count(app: App, people: People, server_url: str) -> dict[Endpoint, float]:
    """Return the thousands of instructions of one request to each endpoint, in the steady state.

    Requests come one after the other on one connection. Work in the background, such as uvicorn's ten ticks a second,
    is counted as well; it is less than 1 %.

    Raises:
        ServerError: valgrind is missing, the server did not start, or a request failed.
    """
    if not shutil.which("vgdb"):
        raise ServerError("Counting instructions needs valgrind: install the package `valgrind`.")
    with _folder() as folder:
        callgrind = Callgrind(folder)
        async with callgrind.watching(app).serving(server_url, Cores()) as server:
            requests = await workload.requests(app, server, *people)
            callgrind.tell(server, "instrumentation", "on")
            return {
                endpoint: await _count(callgrind, server, requests[endpoint], endpoint.requests // PART_OF_A_TURN)
                for endpoint in ENDPOINTS
            }


async def _count(callgrind: Callgrind, server: Server, request: bytes, requests: int) -> float:
    await _send(server, request, WARM_UP_REQUESTS)
    callgrind.tell(server, "zero")
    await _send(server, request, requests)
    return callgrind.dump(server) / requests / 1000


async def _send(server: Server, request: bytes, requests: int) -> None:
    done = await load(server.port, request, requests, connections=1, seconds=SECONDS)
    if done.failed or len(done.latencies) < requests:
        raise ServerError(f"{request.splitlines()[0].decode()} failed, or took too long, under valgrind")


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="instructions-", ignore_cleanup_errors=True) as name:
        yield Path(name).resolve()


async def _measure(found: list[App], template: Path, server_url: str) -> str:
    people = await workload.prepare(found, template, server_url, Cores())
    titles = " ".join(f"{endpoint.title.split()[0] + ' ' + endpoint.title.split()[2]:>12}" for endpoint in ENDPOINTS)
    lines = [f"{'thousand instructions':<30} {titles}"]
    for app in found:
        counted = await count(app, people[app.schema], server_url)
        lines.append(f"{app.name:<30} " + " ".join(f"{counted[endpoint]:>12.0f}" for endpoint in ENDPOINTS))
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Print the counts of the tutorial, and of the services with the named answers."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    answers = [answer for offered in apps.STRUCTURES.values() for answer in offered]
    parser.add_argument("answers", nargs="*", choices=answers, default=["asyncpg", "repository"], metavar="ANSWER")
    wanted = parser.parse_args(arguments).answers
    sys.path.append(str(ROOT / "template"))
    from dev.postgres import postgres  # noqa: PLC0415 - importable only now

    with _folder() as place, postgres() as server_url:
        template = rendering.snapshot(place / "template")
        services = [apps.service(template, place, structure) for structure in apps.structures(template, wanted)]
        first = services[0]
        found = [apps.tutorial(TUTORIAL, template, first.driver, first, first.schema), *services]
        sys.stdout.write(asyncio.run(_measure(found, template, server_url)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Server processes: started on a core of their own where the system lets us choose, and stopped by their ids."""

import asyncio
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import http, once

START_SECONDS = 60.0
STOP_SECONDS = 20.0


class ServerError(Exception):
    """A server did not start, or did not answer as it should."""


@dataclass(frozen=True)
class Cores:
    """Where servers run, and where everything else does; empty where they cannot be told apart."""

    server: frozenset[int] = frozenset()
    others: frozenset[int] = frozenset()

    @classmethod
    def choose(cls) -> "Cores":
        """The first of our cores for the servers, the rest for PostgreSQL and the client."""
        if not hasattr(os, "sched_setaffinity"):
            return cls()
        first, *rest = sorted(os.sched_getaffinity(0))
        return cls(frozenset({first}), frozenset(rest)) if rest else cls()

    def __str__(self) -> str:
        if not self.server:
            return "NOT pinned: this system offers no second core, or no way to choose one"
        return f"server on core {min(self.server)}, PostgreSQL and client on {', '.join(map(str, sorted(self.others)))}"


@contextmanager
def pinned(cores: frozenset[int]) -> Iterator[None]:
    """Run the block, and what it starts, on these cores."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True)
class Server:
    """A running server."""

    pid: int
    port: int

    def cpu_seconds(self) -> float | None:
        """The processor time it has used so far, where the system tells."""
        with suppress(OSError):
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return None


@asynccontextmanager
async def serving(
    command: Sequence[str], cwd: Path, env: Mapping[str, str], port: int, probe: str, cores: frozenset[int]
) -> AsyncIterator[Server]:
    """Keep a server up; what it prints on standard output, its access log, is thrown away.

    Raises:
        ServerError: it ended, or did not answer the probe in time.
    """
    errors = cwd / f"server-{port}.log"
    with errors.open("wb") as log, pinned(cores):
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            # Ctrl-C is for us; we stop the server
            start_new_session=True,
        )
    try:
        await _wait_until_ready(process, port, probe, errors)
        yield Server(process.pid, port)
    finally:
        await _stop(process)


def free_port() -> int:
    """A TCP port nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


async def _wait_until_ready(process: asyncio.subprocess.Process, port: int, probe: str, errors: Path) -> None:
    for _ in range(int(START_SECONDS / 0.1)):
        if process.returncode is not None:
            break
        with suppress(OSError, EOFError, TimeoutError):
            if (await once(port, http("GET", probe)))[0] == 200:
                return
        await asyncio.sleep(0.1)
    last_words = errors.read_text(errors="replace")[-2000:]
    raise ServerError(f"a server did not start (exit status {process.returncode}) in {errors.parent}\n{last_words}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()

"""Starts server processes, on a core of their own where the system allows it, and stops them."""

import asyncio
import os
import re
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import http, once

START_SECONDS = 240.0
PROBE_SECONDS = 0.02
STOP_SECONDS = 20.0


class ServerError(Exception):
    """A server did not start, or gave a wrong response."""


@dataclass(frozen=True)
class Cores:
    """The cores for servers and those for everything else; empty if the system cannot pin processes."""

    server: frozenset[int] = frozenset()
    others: frozenset[int] = frozenset()

    @classmethod
    def choose(cls) -> "Cores":
        """Choose the first available core for servers, and the rest for PostgreSQL and the client."""
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
    """Run the block, and the processes it starts, on these cores."""
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
class Program:
    """How to start a process, and the log for its standard error; with `talks`, also for its standard output."""

    command: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    log: Path
    talks: bool = False

    def last_words(self) -> str:
        """Return the end of the log."""
        return self.log.read_text(errors="replace")[-2000:]


@dataclass(frozen=True)
class Server:
    """A running server, which was ready some seconds after its start."""

    pid: int
    port: int
    start_seconds: float

    def memory_mib(self, name: str = "VmRSS") -> float | None:
        """Return the memory in use, or with `VmHWM` the most there ever was; None where the system does not tell."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return None
        found = re.search(rf"^{name}:\s*(\d+) kB$", status, re.MULTILINE)
        return int(found[1]) / 1024 if found else None

    def cpu_seconds(self) -> float | None:
        """Return the CPU time used so far; None where the system does not report it."""
        try:
            threads = [path.read_text() for path in Path(f"/proc/{self.pid}/task").glob("*/schedstat")]
        except OSError:
            return None
        return sum(int(text.split()[0]) for text in threads) / 1e9 or None


@asynccontextmanager
async def serving(program: Program, port: int, probe: str, cores: frozenset[int]) -> AsyncIterator[Server]:
    """Run a server that listens on the port, once it responds to the probe.

    Raises:
        ServerError: the server ended, or did not respond in time.
    """
    started = time.perf_counter()
    async with running(program, cores) as process:
        if not await _becomes_ready(process, port, probe):
            said = f"{process.returncode}\n{program.last_words()}"
            raise ServerError(f"{' '.join(program.command)} in {program.cwd} did not start: {said}")
        yield Server(process.pid, port, time.perf_counter() - started)


@asynccontextmanager
async def running(program: Program, cores: frozenset[int]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a process until the end of the block."""
    with program.log.open("wb") as log, pinned(cores):
        process = await asyncio.create_subprocess_exec(
            *program.command,
            cwd=program.cwd,
            env=program.env,
            stdin=subprocess.DEVNULL,
            # a server prints its access log, which nobody reads
            stdout=log if program.talks else subprocess.DEVNULL,
            stderr=log,
            # Ctrl-C must reach the benchmark only, which then stops the process
            start_new_session=True,
        )
    try:
        yield process
    finally:
        await _stop(process)


def free_port() -> int:
    """Return a TCP port that is free at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


async def _becomes_ready(process: asyncio.subprocess.Process, port: int, probe: str) -> bool:
    for _ in range(int(START_SECONDS / PROBE_SECONDS)):
        with suppress(OSError, EOFError, TimeoutError):
            if (await once(port, http("GET", probe)))[0] == 200:
                return True
        if process.returncode is not None:
            break
        await asyncio.sleep(PROBE_SECONDS)
    return False


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

"""A worker as a process of its own, and what can be seen of it."""

import asyncio
import inspect
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2 as httpx
import orjson

from tests.support.server import PATIENCE

MODULE = "tests.platform.jobs.process.worker_main"


async def wait_until(
    condition: Callable[[], bool | Awaitable[bool]],
    what: str,
    progress: Callable[[], Awaitable[object]] | None = None,
) -> None:
    """Wait for a condition; `what` says what did not happen. The time limit starts anew with each step of progress."""
    seen: object = None
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = condition()
        if await answer if inspect.isawaitable(answer) else answer:
            return
        if progress and (now := await progress()) != seen:
            seen, deadline = now, time.monotonic() + PATIENCE
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        await asyncio.sleep(0.05)


class Worker:
    """A running worker. Its output is read to the end, which comes when all of its processes are gone."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            self.lines.extend(output)

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The events of this name so far."""
        return [orjson.loads(line) for line in self.lines if f'"event":"{event}"' in line]

    async def wait_for_event(self, event: str) -> dict[str, Any]:
        """Wait for an event of this name."""
        await wait_until(lambda: bool(self.logged(event)) or self.process.poll() is not None, event)
        assert self.logged(event), "the worker has ended"
        return self.logged(event)[0]

    async def get(self, path: str) -> httpx.Response:
        """What the worker answers to those who watch it."""
        port = (await self.wait_for_event("worker_monitoring"))["port"]
        return await asyncio.to_thread(httpx.get, f"http://127.0.0.1:{port}{path}", timeout=PATIENCE)

    async def is_ready(self) -> bool:
        """Whether it says so."""
        return (await self.get("/readyz")).status_code == 200

    async def wait_until_ready(self) -> None:
        """Wait until it is ready."""
        await wait_until(self.is_ready, "the worker is ready")

    async def wait_until_ended(self) -> int:
        """Wait until nothing of the worker runs any more; its exit status."""
        await wait_until(lambda: not self._reader.is_alive(), "all processes of the worker are gone")
        return self.process.wait(PATIENCE)

    async def stop(self) -> int:
        """Ask the worker to end, and wait for it; its exit status."""
        self.process.terminate()
        return await self.wait_until_ended()

    async def kill(self) -> None:
        """End the worker's first process as `kill -9` does; the others end with it."""
        self.process.kill()
        await self.wait_until_ended()

    def show(self) -> None:
        """Print what it logged last, for the report of a test that fails."""
        sys.stdout.write(f"--- {len(self.lines)} lines of a worker\n{''.join(self.lines[-100:])}")

    def close(self) -> None:
        """Leave nothing behind."""
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE)
        self.show()


@contextmanager
def running(directory: Path, environment: Mapping[str, str]) -> Iterator[Worker]:
    """A worker; killed at the end, if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", MODULE, "worker"],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    worker = Worker(process)
    try:
        yield worker
    finally:
        worker.close()

"""A worker as a separate process, with its output and its HTTP answers."""

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

PATIENCE = 180
"""In seconds: two workers of Celery begin ten processes, beside other tests on the same processors."""

MODULE = "tests.platform.jobs.process.worker_main"


async def wait_until(
    condition: Callable[[], bool | Awaitable[bool]],
    what: str,
    progress: Callable[[], Awaitable[object]] | None = None,
) -> None:
    """Wait for a condition, which `what` describes; the time limit starts again whenever `progress` changes."""
    seen: object = None
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = condition()
        if await answer if inspect.isawaitable(answer) else answer:
            return
        if progress and (now := await progress()) != seen:
            seen, deadline = now, time.monotonic() + PATIENCE
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        # asking the database or the worker takes milliseconds of a processor that the worker needs
        await asyncio.sleep(0.2 if inspect.isawaitable(answer) else 0.05)


class Worker:
    """A running worker. Its output ends when all its processes have ended."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        # one client, because making one takes 50 ms of a processor; each request has a connection of its own
        self._client = httpx.Client(timeout=PATIENCE, limits=httpx.Limits(max_keepalive_connections=0))
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            self.lines.extend(output)

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return the logged events of this name so far."""
        return [orjson.loads(line) for line in self.lines if f'"event":"{event}"' in line]

    async def wait_for_event(self, event: str) -> dict[str, Any]:
        """Wait until an event of this name is logged, and return it."""
        await wait_until(lambda: bool(self.logged(event)) or self.process.poll() is not None, event)
        assert self.logged(event), "the worker has ended"
        return self.logged(event)[0]

    async def get(self, path: str) -> httpx.Response:
        """Send a request to the worker's monitoring port."""
        port = (await self.wait_for_event("worker_monitoring"))["port"]
        return await asyncio.to_thread(self._client.get, f"http://127.0.0.1:{port}{path}")

    async def is_ready(self) -> bool:
        """Return whether the worker reports that it is ready."""
        return (await self.get("/readyz")).status_code == 200

    async def wait_until_ready(self) -> None:
        """Wait until the worker is ready."""
        await wait_until(self.is_ready, "the worker is ready")

    async def wait_until_ended(self) -> int:
        """Wait until all processes of the worker have ended, and return its exit status."""
        await wait_until(lambda: not self._reader.is_alive(), "all processes of the worker are gone")
        return self.process.wait(PATIENCE)

    async def stop(self) -> int:
        """Terminate the worker, wait until it has ended, and return its exit status."""
        self.process.terminate()
        return await self.wait_until_ended()

    async def kill(self) -> None:
        """Kill the worker's first process, as `kill -9` does; its child processes end with it."""
        self.process.kill()
        await self.wait_until_ended()

    def show(self) -> None:
        """Print the last lines of the log, for the report of a failed test."""
        sys.stdout.write(f"--- {len(self.lines)} lines of a worker\n{''.join(self.lines[-100:])}")

    def close(self) -> None:
        """Kill the worker, and print the end of its log."""
        self._client.close()
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE)
        self.show()


@contextmanager
def running(directory: Path, environment: Mapping[str, str]) -> Iterator[Worker]:
    """Run a worker; kill it at the end if it still runs."""
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

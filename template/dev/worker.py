"""The worker that `make run` starts beside the service, and their broker."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from threading import Event, Thread

from dev.command import GUARD
from dev.redis import redis

ROOT = Path(__file__).resolve().parents[1]

# migrates too, because the worker may start before the service; only one of them runs the migrations
COMMAND = ("sh", "-c", '"$0" -m app migrate && exec "$0" -m app worker', sys.executable)
# watchfiles comes with uvicorn[standard]; a worker that ended, such as after a syntax error, starts at the next change
RELOADING = (
    "sh",
    "-c",
    '"$0" -m app migrate && exec "$0" -m watchfiles --filter python --sigint-timeout 35 "\'$0\' -m app worker" "$1"',
    sys.executable,
    str(ROOT / "src"),
)
STOP_SECONDS = 40.0


@contextmanager
def worker(environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Run a worker, and a Redis-protocol server unless a broker is configured; yield the server's variable.

    The worker stops at the end of the block, or when this process dies.
    """
    with nullcontext("") if _has_broker(environment) else redis() as url:
        started = {"REDIS_URL": url} if url else {}
        with _running({**environment, **started}):
            yield started


def _has_broker(environment: Mapping[str, str]) -> bool:
    # imported late, as in dev/services.py
    from dotenv import dotenv_values  # noqa: PLC0415

    given = {**dotenv_values(ROOT / ".env"), **environment}
    return bool(given.get("REDIS_URL") or given.get("TASKS_BROKER_URL"))


@contextmanager
def _running(environment: Mapping[str, str]) -> Iterator[None]:
    stopping = Event()
    # a group of its own, so that Ctrl-C reaches the service only; the worker is stopped after the service
    command = RELOADING if environment.get("DEV_RELOAD") else COMMAND
    process = subprocess.Popen(command, env=environment, process_group=0)
    try:
        Thread(target=_report_early_end, args=(process, stopping), daemon=True).start()
        with _guard(process.pid):
            yield
    finally:
        stopping.set()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _report_early_end(process: subprocess.Popen[bytes], stopping: Event) -> None:
    status = process.wait()
    if not stopping.is_set():
        sys.stderr.write(f"dev.services: the worker has ended with {status}; jobs wait until the next start\n")


@contextmanager
def _guard(pid: int) -> Iterator[None]:
    guard = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", GUARD, str(pid)], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        yield
    finally:
        guard.communicate(b"q")

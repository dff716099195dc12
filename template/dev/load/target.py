"""The service that is tested: one that is started for the test, or a running one."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from app.platform import job_processes
from app.platform.db import pool
from app.platform.settings import DatabaseSettings, HttpSettings, load
from dev import env_file, services
from dev.command import GUARD
from dev.errors import ServiceError
from dev.load import metrics
from dev.load.environment import environment_for, left_out_of
from dev.process import free_port, tail

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120.0
STOP_SECONDS = 60.0
HERE = ("127.0.0.1", "localhost", "::1")
MANY = "100000000/day"
LEFT_OUT = "left out of its environment (set in [environment] of thresholds.toml what it needs)"
LIMITS = ("HTTP_RATE_LIMIT", "HTTP_LOGIN_RATE_LIMIT", "HTTP_ACCOUNT_RATE_LIMIT")


@dataclass
class Target:
    """A service that answers.

    Attributes:
        url: its address, without a slash at the end.
        settings: what is known about it, to be shown.
        processes: how many processes of it there are; `None` if that is not known.
        process: of a service that was started for the test.
        log: its output.
    """

    url: str
    settings: dict[str, str] = field(default_factory=dict)
    processes: int | None = None
    process: subprocess.Popen[bytes] | None = None
    log: Path | None = None

    def ended(self) -> str:
        """Return how the service has ended, or nothing while it runs."""
        if self.process is None or self.log is None or self.process.poll() is None:
            return ""
        return f"the service has ended with status {self.process.returncode}; end of its log: {tail(self.log)}"


def given(url: str, *, anywhere: bool) -> Target:
    """Return the running service at an address.

    Raises:
        ServiceError: it is elsewhere, or does not answer.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ServiceError(f"LOAD_URL={url}: expected an address such as http://127.0.0.1:8000")
    if parts.hostname not in HERE and not anywhere:
        raise ServiceError(f"LOAD_URL={url}: that is not this machine; LOAD_ANYWHERE=1 if you may load that server")
    target = Target(url.rstrip("/"), {"service": "was running already, with rate limits and workers of its own"})
    if metrics.scrape(target.url) is None:
        raise ServiceError(f"LOAD_URL={url}: {target.url}/metrics does not answer; is the service running?")
    return target


@contextmanager
def started(directory: Path, chosen: Mapping[str, str]) -> Iterator[Target]:
    """Start the service on an empty PostgreSQL of its own, and a worker if it has jobs; stop all at the end.

    With jobs, or with caches that are on, there is an empty Redis as well.

    The pool and all else of the platform is as the environment and `.env` say; only addresses, rate limits and the log
    are not. The service's own settings have their defaults.

    Args:
        directory: for data and logs.
        chosen: variables of the service for the test.

    Raises:
        ServiceError: something does not start.
    """
    for left_behind in directory.glob("data-*"):
        # by a test that was killed; the caller's lock allows one test at a time
        shutil.rmtree(left_behind, ignore_errors=True)
    data = Path(tempfile.mkdtemp(prefix="data-", dir=directory))
    try:
        with ExitStack() as stack:
            url = stack.enter_context(services.postgres(data / "postgres"))
            port = free_port()
            file, shell = env_file.variables(), dict(os.environ)
            caches = services.caches(environment_for(file, shell, chosen, {}))
            redis = stack.enter_context(services.redis()) if job_processes.QUEUE or caches else ""
            environment = environment_for(file, shell, chosen, _fixed(url, redis, port))
            left_out = [name for name in left_out_of(file, shell) if name not in environment]
            yield stack.enter_context(_serving(directory, environment, port, ", ".join(left_out)))
    finally:
        shutil.rmtree(data, ignore_errors=True)


def _fixed(database: str, redis: str, port: int) -> dict[str, str]:
    """Return the variables that are the same in each test: addresses on this machine, and no rate limits."""
    ours = {"HTTP_HOST": "127.0.0.1", "HTTP_PORT": str(port), "HTTP_DRAIN_SECONDS": "0", "LOG_JSON": "true"}
    shared = {"REDIS_URL": redis} if redis else {}
    jobs = {"TASKS_METRICS_PORT": "0", "DEV_WORKER": "1"} if job_processes.QUEUE else {}
    urls = shared | {"DATABASE_URL": database}
    return ours | dict.fromkeys(LIMITS, MANY) | jobs | urls | {"PYTHONPATH": str(ROOT)}


@contextmanager
def _serving(directory: Path, environment: dict[str, str], port: int, left_out: str) -> Iterator[Target]:
    # what was read from `.env` already is not to be read again: it has addresses
    os.environ.clear()
    os.environ.update(environment)
    log = directory / "service.log"
    command = [sys.executable, "-m", "dev.services", "run", "--", "sh", "-c"]
    command += ['"$0" -m app migrate && exec "$0" -m app api', sys.executable]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output, process_group=0
        )
    with _ending(process):
        settings = _settings() | ({LEFT_OUT: left_out} if left_out else {})
        target = Target(f"http://127.0.0.1:{port}", settings, load(HttpSettings).workers, process, log)
        _wait_until_ready(target)
        yield target


def _settings() -> dict[str, str]:
    """Return the settings in force, as the service reads them."""
    database, http = load(DatabaseSettings), load(HttpSettings)
    numbers = {name: f"{value}" for name, value in pool.describe(database).items()}
    return {
        "HTTP_WORKERS": str(http.workers),
        **{f"pool: {name}": value for name, value in numbers.items()},
        "DB_POOL_TIMEOUT": f"{database.pool_timeout:g} s",
        "DB_STATEMENT_TIMEOUT": f"{database.statement_timeout:g} s",
        "rate limits": "raised, so that all clients may have one address",
        "database": "a PostgreSQL of its own, empty at the start, on this machine",
    }


def _wait_until_ready(target: Target) -> None:
    deadline = time.monotonic() + START_SECONDS
    while metrics.scrape(target.url) is None:
        if ended := target.ended():
            left_out = target.settings.get(LEFT_OUT)
            raise ServiceError(f"{ended}\n{LEFT_OUT}: {left_out}" if left_out else ended)
        if time.monotonic() > deadline and target.log:
            raise ServiceError(f"the service did not start in {START_SECONDS:g} s; end of its log: {tail(target.log)}")
        time.sleep(0.1)


@contextmanager
def _ending(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End the process with this block, or when this process is killed."""
    guard = [sys.executable, "-I", "-S", "-c", GUARD, str(process.pid)]
    with subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True) as watching:
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            watching.communicate(b"q")

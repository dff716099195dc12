"""Workers as they run in production, on a database and a queue of their own."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.platform.jobs.process.deployment import Deployment, deployment_of
from tests.platform.jobs.process.workers import Worker
from tests.support.databases import scratch_database


@pytest.fixture
async def deployment(migrated_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Deployment]:
    """Yield a deployment for a test that starts its own workers."""
    async with deployment_of(migrated_url, redis_url, tmp_path) as deployment:
        yield deployment


@pytest.fixture(scope="session")
async def shared(
    server_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Deployment]:
    """Yield a deployment for the tests that share the workers of `pair`."""
    template = os.environ["TEST_TEMPLATE_DATABASE"]
    async with (
        scratch_database(server_url, template) as url,
        deployment_of(url, redis_url, tmp_path_factory.mktemp("shared")) as deployment,
    ):
        yield deployment


@pytest.fixture(scope="session")
async def pair(shared: Deployment) -> AsyncIterator[tuple[Worker, Worker]]:
    """Run two workers, which have two relays and two schedulers."""
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(shared.worker(name, WORKER_TICKS="yes", TASKS_CONCURRENCY="4"))
            for name in ("first", "second")
        )
        await first.wait_until_ready()
        await second.wait_until_ready()
        yield first, second


@pytest.fixture
def report(capfd: pytest.CaptureFixture[str]) -> Callable[[object], None]:
    """Return a function that always shows a line: on standard error, which also works in pytest-xdist's processes."""

    def write(line: object) -> None:
        with capfd.disabled():
            os.write(2, f"\n{line}\n".encode())

    return write

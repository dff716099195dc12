"""A queue that nobody else uses, and what puts jobs to work without a worker."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest
from pydantic import SecretStr

from app.config import Settings
from app.platform.db.session import Database
from app.platform.jobs.outbox import Job
from app.resources import Resources
from tests.platform.jobs.bench import Bench
from tests.platform.jobs.brokers import Queue


@pytest.fixture
def settings(settings: Settings, redis_url: str) -> Settings:
    """With a broker, and a queue of the test's own."""
    process = settings.process.model_copy(update={"redis_url": SecretStr(redis_url)})
    tasks = settings.tasks.model_copy(update={"queue": uuid4().hex, "metrics_port": 0})
    return replace(settings, process=process, tasks=tasks)


@pytest.fixture
async def broker(settings: Settings) -> AsyncIterator[Queue]:
    """The broker of the settings."""
    async with Resources(settings) as resources:
        assert resources.broker is not None
        yield resources.broker


@pytest.fixture
def job() -> Job:
    """A job whose metrics nobody else touches."""
    return Job(f"sample_{uuid4().hex}")


@pytest.fixture
def bench(database: Database, settings: Settings) -> Bench:
    """Where jobs are asked for and attempted; for tests that commit."""
    return Bench(database, settings.database)

"""A queue for each test, and a harness that runs jobs without a worker."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest
from pydantic import SecretStr

from app.config import Settings
from app.platform.db.session import Database
from app.platform.jobs.job import Job
from app.resources import Resources
from tests.platform.jobs.brokers import Broker
from tests.platform.jobs.harness import JobHarness
from tests.platform.jobs.monitored import MonitoredWorker


@pytest.fixture
def settings(settings: Settings, redis_url: str) -> Settings:
    """Return settings with a broker, and a queue for this test only."""
    process = settings.process.model_copy(update={"redis_url": SecretStr(redis_url)})
    jobs = settings.jobs.model_copy(update={"queue": uuid4().hex, "metrics_port": 0})
    return replace(settings, process=process, jobs=jobs)


@pytest.fixture
async def broker(settings: Settings) -> AsyncIterator[Broker]:
    """Yield the broker of the settings."""
    async with Resources(settings) as resources:
        assert resources.broker is not None
        yield resources.broker


@pytest.fixture
def job() -> Job:
    """Return a job with a unique name, so that no other test changes its metrics."""
    return Job(f"sample_{uuid4().hex}")


@pytest.fixture
def harness(database: Database, settings: Settings) -> JobHarness:
    """Return a harness on the test's database; for tests that commit."""
    return JobHarness(database, settings.database)


@pytest.fixture
def monitored(database: Database, settings: Settings) -> MonitoredWorker:
    """Return the monitoring of a worker, without checks."""
    return MonitoredWorker(database, settings)

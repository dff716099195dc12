"""Fixtures: real servers, one database for each pytest worker, one savepoint for each test.

The tests use the servers of `TEST_DATABASE_URL` and `TEST_REDIS_URL`, or else start temporary ones.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest
import structlog
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from app.config import Settings
from app.main import create_app
from app.platform import logging
from app.platform.db.session import Database
from app.platform.http.lifespan import State
from app.platform.settings import (
    AuthSettings,
    DatabaseSettings,
    Environment,
    HttpSettings,
    LogSettings,
    ProcessSettings,
)
from app.resources import Resources
from app.services import Services
from dev import services as servers
from tests.support import repetitions
from tests.support.client import client_of
from tests.support.databases import execute, migrate, scratch_database, settings_for, sibling
from tests.support.savepoints import SavepointDatabase

_running = ExitStack()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the servers and make the template database, once for all workers."""
    if hasattr(session.config, "workerinput") or session.config.option.collectonly:
        return
    if "TEST_DATABASE_URL" not in os.environ:
        os.environ["TEST_DATABASE_URL"] = _running.enter_context(servers.postgres())
    if "TEST_REDIS_URL" not in os.environ:
        os.environ["TEST_REDIS_URL"] = _running.enter_context(servers.redis())
    server_url = os.environ["TEST_DATABASE_URL"]
    template = f"template_{uuid4().hex}"
    asyncio.run(execute(server_url, f"CREATE DATABASE {template} TEMPLATE template0"))
    _running.callback(lambda: asyncio.run(execute(server_url, f"DROP DATABASE {template} WITH (FORCE)")))
    migrate(sibling(server_url, template))
    os.environ["TEST_TEMPLATE_DATABASE"] = template


def pytest_unconfigure() -> None:
    """Drop the template database, and stop the servers that were started."""
    _running.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the log of a failed test once: the service writes it to standard output, which is shown as well."""
    report = yield
    report.sections = [section for section in report.sections if not section[0].startswith("Captured log")]
    return report


@pytest.fixture(scope="session", autouse=True)
def _production_logs() -> Iterator[None]:
    configure = structlog.configure

    def configure_again(**options: Any) -> None:
        # a cached logger would keep the configuration of the first test that used it
        configure(**options | {"cache_logger_on_first_use": False})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "configure", configure_again)
        logging.configure(LogSettings.model_construct(level="DEBUG"), Environment.PRODUCTION)
        yield


@pytest.fixture(autouse=True)
def _logs_of_all_levels() -> Iterator[None]:
    before = structlog.get_config()["wrapper_class"]
    yield
    # a test of a command, say, has configured fewer, and the next test may look for the others
    if structlog.get_config()["wrapper_class"] is not before:
        logging.configure(LogSettings.model_construct(level="DEBUG"), Environment.PRODUCTION)


@pytest.fixture(scope="session")
def server_url() -> str:
    """Return the URL of a database on the PostgreSQL server, for connections that create other databases."""
    return os.environ["TEST_DATABASE_URL"]


@pytest.fixture(scope="session")
def redis_url() -> str:
    """Return the URL of a server with the Redis protocol."""
    return os.environ["TEST_REDIS_URL"]


@pytest.fixture(scope="session")
async def worker_database_url(server_url: str) -> AsyncIterator[str]:
    """Yield the URL of this worker's migrated database, in which every test is rolled back."""
    async with scratch_database(server_url, os.environ["TEST_TEMPLATE_DATABASE"]) as url:
        yield url


@pytest.fixture(scope="session")
async def worker_engine(worker_database_url: str) -> AsyncIterator[AsyncEngine]:
    """Yield the engine of this worker's database."""
    database = Database(settings_for(worker_database_url), Resources.on_connect)
    await database.init()
    yield database.engine
    await database.close()


@pytest.fixture
async def migrated_url(server_url: str) -> AsyncIterator[str]:
    """Yield the URL of a migrated database for a single test that commits."""
    async with scratch_database(server_url, os.environ["TEST_TEMPLATE_DATABASE"]) as url:
        yield url


@pytest.fixture
async def empty_url(server_url: str) -> AsyncIterator[str]:
    """Yield the URL of an empty database for a single test."""
    async with scratch_database(server_url) as url:
        yield url


@pytest.fixture
def database_settings(request: pytest.FixtureRequest) -> DatabaseSettings:
    """Return the settings of the test's database: one of its own if the test commits, else the worker's."""
    name = "migrated_url" if request.node.get_closest_marker("commits") else "worker_database_url"
    return settings_for(request.getfixturevalue(name))


@pytest.fixture
def settings(database_settings: DatabaseSettings) -> Settings:
    """Return settings independent of the environment: cheap password hashes, rate limits too high to reach."""
    auth = AuthSettings.model_construct(secret_key=SecretStr("k" * 32), argon2_time_cost=1, argon2_memory_kib=64)
    http = HttpSettings.model_construct(rate_limit="100000/minute", login_rate_limit="100000/minute")
    return Settings(
        process=ProcessSettings.model_construct(environment=Environment.DEVELOPMENT),
        database=database_settings,
        http=http,
        auth=auth,
        log=LogSettings.model_construct(),
    )


@pytest.fixture
async def database(
    request: pytest.FixtureRequest, settings: Settings, worker_engine: AsyncEngine
) -> AsyncIterator[Database]:
    """Yield the test's database; without the marker `commits`, its transactions are savepoints."""
    if request.node.get_closest_marker("commits"):
        database = Database(settings.database, Resources.on_connect)
        await database.init()
        yield database
        await database.close()
        return
    async with worker_engine.connect() as connection:
        outer = await connection.begin()
        yield SavepointDatabase(settings.database, connection)
        await outer.rollback()


@pytest.fixture
def sql_engine(request: pytest.FixtureRequest, database: Database, worker_engine: AsyncEngine) -> Engine:
    """Return the engine of the test's database, for `recorded_statements`."""
    commits = request.node.get_closest_marker("commits")
    return (database.engine if commits else worker_engine).sync_engine


@pytest.fixture(autouse=True)
def _few_statements(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail each GET whose number of statements grows with its rows, unless the test is marked `many_statements`."""
    with repetitions.refused(request.node.get_closest_marker("many_statements")):
        yield


@pytest.fixture
async def resources(settings: Settings, database: Database) -> AsyncIterator[Resources]:
    """Yield the resources of a process, on the test's database."""
    async with Resources(settings, database) as resources:
        yield resources


@pytest.fixture
def services(resources: Resources) -> Services:
    """Return the services, on the test's database."""
    return Services(resources)


@pytest.fixture
def state(resources: Resources, services: Services) -> State:
    """Return the state that the lifespan gives to requests."""
    return State(resources=resources, services=services)


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    """Return the application."""
    return create_app(settings)


@pytest.fixture
async def client(app: FastAPI, state: State) -> AsyncIterator[httpx.AsyncClient]:
    """Yield an HTTP client of the application."""
    async with client_of(app, state) as client:
        yield client

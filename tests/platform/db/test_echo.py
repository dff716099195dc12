"""`DB_ECHO` logs each statement in one line, at every log level."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from app.platform import context, logging
from app.platform.db.session import Database
from app.platform.settings import Environment, LogSettings
from tests.support.client import PASSWORD
from tests.support.databases import settings_for
from tests.support.server import run_command, serving

STATEMENT = text("SELECT 1 AS marker,\n  CAST(:value AS text)")


@pytest.fixture
async def database(migrated_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    json_lines, echo = request.param
    logging.configure(LogSettings.model_construct(level="CRITICAL", json_lines=json_lines), Environment.PRODUCTION)
    database = Database(settings_for(migrated_url, echo=echo))
    await database.init()
    yield database
    await database.close()


async def work(database: Database) -> None:
    """One statement that reads, and one in a transaction, in a request."""
    token = context.request_id.set("request-1")
    try:
        async with database.read() as session:
            await session.execute(STATEMENT, {"value": "a secret"})
        async with database.transaction() as session:
            await session.execute(STATEMENT, {"value": "a secret"})
    finally:
        context.request_id.reset(token)


@pytest.mark.parametrize("database", [(True, True)], indirect=True)
async def test_statements_are_json_once(database: Database, capfd: pytest.CaptureFixture[str]) -> None:
    await work(database)
    printed = "".join(capfd.readouterr())
    events = [json.loads(line) for line in printed.splitlines()]
    assert {(event["event"], event["level"]) for event in events} == {("sql", "info")}
    statements = [event["statement"] for event in events if event.get("request_id") == "request-1"]
    assert [each for each in statements if "marker" in each] == [statements[0], statements[2]]
    assert [each.split()[0] for each in statements] == ["SELECT", "BEGIN", "SELECT", "COMMIT"]
    assert "a secret" not in printed


@pytest.mark.parametrize("database", [(False, True)], indirect=True)
async def test_statements_are_text_once(database: Database, capfd: pytest.CaptureFixture[str]) -> None:
    await work(database)
    printed = "".join(capfd.readouterr())
    lines = printed.splitlines()
    assert all("[info" in line and " sql " in line for line in lines), printed
    assert len([line for line in lines if "marker" in line and "request-1" in line]) == printed.count("marker") == 2
    assert "a secret" not in printed


@pytest.mark.parametrize("database", [(True, False)], indirect=True)
async def test_without_echo_nothing_is_logged(database: Database, capfd: pytest.CaptureFixture[str]) -> None:
    await work(database)
    assert capfd.readouterr() == ("", "")


async def test_migrations_echo_too(tmp_path: Path, empty_url: str) -> None:
    told = {"DB_ECHO": "true", "LOG_LEVEL": "ERROR"}
    status, printed, errors = await asyncio.to_thread(run_command, tmp_path, empty_url, "migrate", **told)
    assert (status, errors) == (0, "")
    (line,) = [line for line in printed.splitlines() if "CREATE TABLE users" in line]
    assert json.loads(line)["event"] == "sql"


def test_requests_echo_once_and_with_their_id(tmp_path: Path, migrated_url: str) -> None:
    with serving(tmp_path, migrated_url, DB_ECHO="true", LOG_LEVEL="ERROR") as server:
        server.wait_until_ready()
        body = {"email": "ada@example.com", "password": PASSWORD}
        created = server.client.post("/api/v1/users", json=body)
        assert created.status_code == 201
        _, printed = server.stop()
    (line,) = [line for line in printed.splitlines() if "INSERT INTO users" in line]
    event = json.loads(line)
    assert (event["event"], event["request_id"]) == ("sql", created.headers["x-request-id"])
    assert "ada@example.com" not in printed

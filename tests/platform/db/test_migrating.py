"""`python -m app migrate` and the other commands on databases that they cannot use."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from app import __main__ as cli
from app.platform.db.session import Database
from app.platform.settings import PoolProfile
from tests.platform.support.refusing import refusing
from tests.support.databases import execute, heads, settings_for
from tests.support.server import PATIENCE, SECRET, run_command

PASSWORD = "my-secret"
APPLIED = "SELECT version_num FROM alembic_version"
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, migrated_url: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", migrated_url)
    monkeypatch.setenv("DB_CONNECT_TIMEOUT", "1")
    monkeypatch.setenv("AUTH_SECRET_KEY", SECRET)
    monkeypatch.setenv("LOG_LEVEL", "WARNING")
    monkeypatch.setenv("LOG_JSON", "true")


@pytest.fixture
async def looking(migrated_url: str) -> AsyncIterator[Database]:
    # longer than any process takes that a test waits for inside a transaction
    database = Database(settings_for(migrated_url, idle_in_transaction_timeout=600.0))
    await database.init()
    yield database
    await database.close()


def failure(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *command: str) -> str:
    """Return the error line of a command, which prints nothing else."""
    capfd.readouterr()
    monkeypatch.setattr(sys, "argv", ["app", *command])
    with pytest.raises(SystemExit) as exited:
        cli.main()
    assert capfd.readouterr() == ("", "")
    line = str(exited.value.code)
    assert line.startswith("python -m app: ")
    assert "\n" not in line
    assert PASSWORD not in line
    return line


def printed_by(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *command: str) -> str:
    """Return what a command prints that works and complains of nothing."""
    capfd.readouterr()
    monkeypatch.setattr(sys, "argv", ["app", *command])
    cli.main()
    printed, errors = capfd.readouterr()
    assert errors == ""
    return printed


def newer(branch: str) -> str:
    """Return SQL that makes the schema look as if a newer release had migrated this branch."""
    return f"UPDATE alembic_version SET version_num = 'newer_{branch}' WHERE version_num = '{heads()[branch]}'"


def unknown(printed: str) -> object:
    """Return the unknown revisions that the only event about a newer schema names."""
    (event,) = [json.loads(line) for line in printed.splitlines() if "schema_is_newer" in line]
    return event["unknown"]


async def found(database: Database, query: str) -> set[str]:
    async with database.read() as session:
        return set(await session.scalars(text(query)))


def with_parts(url: str, **parts: object) -> str:
    changed = make_url(url).set(**({"password": PASSWORD} | parts))  # type: ignore[arg-type] # parts of a URL
    return changed.render_as_string(hide_password=False)


AWAY: dict[str, dict[str, object]] = {
    "nobody listens": {"port": 1},
    "unknown host": {"host": "nowhere.invalid"},
    "unknown user": {"username": "nobody_at_all"},
    "missing database": {"database": "not_there"},
}
REFUSALS = {
    "starting up": ("57P03", "the database system is starting up"),
    "shutting down": ("57P03", "the database system is shutting down"),
    "too many connections": ("53300", "sorry, too many clients already"),
    "no TLS": ("28000", 'no pg_hba.conf entry for host "127.0.0.1", no encryption'),
    "wrong password": ("28P01", "password authentication failed"),
    "silent": (None, ""),
}


@pytest.mark.parametrize("away", AWAY)
def test_unreachable_server_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], migrated_url: str, away: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", with_parts(migrated_url, **AWAY[away]))
    assert "cannot connect to PostgreSQL at postgresql+" in failure(monkeypatch, capfd, "migrate")


@pytest.mark.parametrize("refusal", REFUSALS)
def test_refusal_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], migrated_url: str, refusal: str
) -> None:
    sqlstate, message = REFUSALS[refusal]
    with refusing(sqlstate, message) as port:
        monkeypatch.setenv("DATABASE_URL", with_parts(migrated_url, host="127.0.0.1", port=port, query={}))
        line = failure(monkeypatch, capfd, "migrate")
    assert line.startswith("python -m app: cannot connect to PostgreSQL at postgresql+")
    assert f"127.0.0.1:{port}/" in line
    assert message in line


def test_tls_that_the_server_does_not_have_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], migrated_url: str
) -> None:
    with refusing("57P03") as port:
        url = with_parts(migrated_url, host="127.0.0.1", port=port, query={"sslmode": "require"})
        monkeypatch.setenv("DATABASE_URL", url)
        assert "SSL" in failure(monkeypatch, capfd, "migrate")


@pytest.mark.parametrize("command", [("prune",), ("grant-admin", "ada@example.com")])
def test_other_commands_say_it_in_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], migrated_url: str, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("DATABASE_URL", with_parts(migrated_url, port=1))
    assert "cannot connect to PostgreSQL at " in failure(monkeypatch, capfd, *command)


@pytest.mark.parametrize(
    ("command", "table", "profile"),
    [
        ("migrate", "alembic_version", PoolProfile.SMALL),
        ("migrate", "alembic_version", PoolProfile.EXTERNAL_POOLER),
        ("prune", "refresh_tokens", PoolProfile.SMALL),
    ],
)
async def test_locked_table_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    looking: Database,
    command: str,
    table: str,
    profile: str,
) -> None:
    monkeypatch.setenv("DB_LOCK_TIMEOUT", "0.2")
    monkeypatch.setenv("DB_POOL_PROFILE", profile)
    async with looking.transaction() as session:
        await session.execute(text(f"LOCK TABLE {table}"))
        line = await asyncio.to_thread(failure, monkeypatch, capfd, command)
    assert line.endswith("canceling statement due to lock timeout (sqlstate 55P03)")


async def test_bug_in_a_migration_keeps_its_traceback(tmp_path: Path, migrated_url: str) -> None:
    # makes the migration create tables that exist already
    await execute(migrated_url, f"DELETE FROM alembic_version WHERE version_num = '{heads()['platform']}'")
    status, _, errors = await asyncio.to_thread(run_command, tmp_path, migrated_url, "migrate")
    assert status == 1
    assert "Traceback" in errors
    assert "already exists" in errors


@pytest.mark.parametrize("branches", [["service"], list(heads())])
async def test_schema_of_a_newer_release_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    migrated_url: str,
    looking: Database,
    branches: list[str],
) -> None:
    for branch in branches:
        await execute(migrated_url, newer(branch))
    before = await found(looking, APPLIED), await found(looking, TABLES)
    printed = await asyncio.to_thread(printed_by, monkeypatch, capfd, "migrate")
    assert unknown(printed) == sorted(f"newer_{branch}" for branch in branches)
    assert (await found(looking, APPLIED), await found(looking, TABLES)) == before


async def test_release_that_waited_for_a_newer_one_leaves_its_schema_alone(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], looking: Database
) -> None:
    async with looking.transaction() as session:
        await session.execute(text("LOCK TABLE alembic_version"))
        older = asyncio.ensure_future(asyncio.to_thread(printed_by, monkeypatch, capfd, "migrate"))
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'alembic_version'::regclass"
        async with asyncio.timeout(PATIENCE):
            while not await session.scalar(text(waiting)):
                await session.execute(text("SELECT pg_sleep(0.02)"))
        await session.execute(text(newer("service")))
    assert unknown(await older) == ["newer_service"]


@pytest.mark.parametrize("known", [True, False])
async def test_schema_of_another_service_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    migrated_url: str,
    looking: Database,
    known: bool,
) -> None:
    """Two services made from the same template have some revisions in common."""
    shared = f"WHERE version_num <> '{heads()['platform']}'" if known else ""
    renamed = f"UPDATE alembic_version SET version_num = left(md5(version_num), 12) {shared}"
    await execute(migrated_url, "DROP TABLE users CASCADE", renamed)
    before = await found(looking, APPLIED)
    line = await asyncio.to_thread(failure, monkeypatch, capfd, "migrate")
    assert "is not that of this service: unknown revision " in line
    assert line.endswith("missing table users")
    assert await found(looking, APPLIED) == before


async def test_branch_that_is_behind_a_newer_schema_is_not_passed_over(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], migrated_url: str
) -> None:
    await execute(
        migrated_url,
        "DROP TABLE idempotency_keys",
        f"DELETE FROM alembic_version WHERE version_num = '{heads()['platform']}'",
        newer("service"),
    )
    line = await asyncio.to_thread(failure, monkeypatch, capfd, "migrate")
    assert line.endswith("unknown revision newer_service, missing table idempotency_keys")

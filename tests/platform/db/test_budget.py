"""`python -m app pool-budget`: all connections of the service beside the limits of server, role and database."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text

from app.platform import job_processes
from app.platform.cli import Command, run
from app.platform.db import budget_arguments, budget_report, sizing
from app.platform.db.budget import pool_budget
from app.platform.db.limits import Limit, Usage
from app.platform.db.session import Database
from tests.support.databases import execute, settings_for, sibling

Budget = Callable[..., tuple[int, str]]

# a service without a queue has no job workers to leave out
NO_JOBS = ("--job-workers", "0") if job_processes.QUEUE else ()


@pytest.fixture
async def role_url(server_url: str, migrated_url: str) -> AsyncIterator[str]:
    """Yield the URL of a migrated database for a role without rights."""
    role = f"role_{uuid4().hex}"
    await execute(server_url, f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    yield make_url(migrated_url).set(username=role, password="x").render_as_string(hide_password=False)
    await execute(server_url, f"DROP ROLE {role}")


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], role_url: str) -> Budget:
    """Return a function that runs the command; it returns the exit status and what was printed."""
    for name, value in {"DATABASE_URL": role_url, "DB_POOL_PROFILE": "small", "LOG_LEVEL": "WARNING"}.items():
        monkeypatch.setenv(name, value)

    def run_command(*arguments: str, **variables: str) -> tuple[int, str]:
        with monkeypatch.context() as patch, pytest.raises(SystemExit) as exited:
            for name, value in variables.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["app", "pool-budget", *NO_JOBS, *arguments])
            run(None, [Command(pool_budget, budget_arguments.add_arguments)])
            sys.exit(0)
        printed = capsys.readouterr()
        # a text as status is printed by the interpreter, and the status is 1
        status = exited.value.code
        return (status, printed.out + printed.err) if isinstance(status, int) else (1, f"{printed.out}{status}")

    return run_command


@asynccontextmanager
async def connected(url: str, application: str) -> AsyncIterator[None]:
    database = Database(settings_for(url))
    await database.init()
    async with database.engine.connect() as connection:
        await connection.execute(text("SELECT set_config('application_name', :name, false)"), {"name": application})
        await connection.commit()
        yield
    await database.close()


async def wait_until_alone(server_url: str, url: str) -> None:
    """Wait until the connections of earlier statements to this database have gone from the server's list."""
    database = Database(settings_for(server_url))
    await database.init()
    left = text("SELECT count(*) FROM pg_stat_activity WHERE datname = :name")
    async with asyncio.timeout(10), database.read() as session:
        while await session.scalar(left, {"name": make_url(url).database}):  # noqa: ASYNC110 (the server sends no event)
            await asyncio.sleep(0.05)
    await database.close()


def row(printed: str, name: str) -> list[int]:
    """Return the numbers of a line of a table."""
    found = re.search(rf"^{re.escape(name)} +(\d.*)$", printed, re.MULTILINE)
    assert found, printed
    return [int(number) for number in re.findall(r"\d+", found[1])]


async def limit(role_url: str, migrated_url: str, kind: str, connections: int) -> None:
    name = make_url(role_url).username if kind == "role" else make_url(role_url).database
    await execute(migrated_url, f"ALTER {kind} {name} CONNECTION LIMIT {connections}")


def test_sum_fits_the_server(budget: Budget) -> None:
    status, printed = budget("--instances", "2", "--surge", "1", "--workers", "2", "--listeners", "1", "--others", "0")
    assert status == 0, printed
    assert row(printed, "HTTP: instances x workers")[-1] == 3 * 2 * 10
    assert row(printed, "listeners of these")[-1] == 3 * 2
    assert row(printed, "readiness, nested work")[-1] == 3 * 2 * 2
    assert row(printed, "in all") == [60 + 6 + 12 + 1 + 1]
    most, reserved, others, left = row(printed, "max_connections")
    assert (others, left) == (0, most - reserved)
    assert printed.rstrip().endswith(f"fits: 80 of {left} connections")


def test_sum_that_does_not_fit_names_the_limit_and_what_would_fit(budget: Budget) -> None:
    status, printed = budget("--instances", "10", "--workers", "2", "--others", "0")
    left = row(printed, "max_connections")[-1]
    assert status == 1
    assert f"does not fit: 242 connections, but max_connections leaves {left}" in printed
    assert f"DB_POOL_SIZE and DB_MAX_OVERFLOW of together {(left - 42) // 20} would fit" in printed
    status, printed = budget("--instances", "1000")
    assert status == 1
    assert "no pool would fit" in printed


def test_workers_and_pool_come_from_the_settings(budget: Budget) -> None:
    _, printed = budget(HTTP_WORKERS="3", DB_POOL_SIZE="2", DB_MAX_OVERFLOW="1")
    assert row(printed, "HTTP: instances x workers") == [1, 3, 2, 1, 9]


@pytest.mark.parametrize("kind", ["role", "database"])
async def test_limits_of_role_and_database_count(budget: Budget, role_url: str, migrated_url: str, kind: str) -> None:
    await limit(role_url, migrated_url, kind, 14)
    status, printed = await asyncio.to_thread(budget)
    assert (status, row(printed, f"CONNECTION LIMIT of the {kind}")) == (0, [14, 0, 0, 14]), printed
    await limit(role_url, migrated_url, kind, 13)
    status, printed = await asyncio.to_thread(budget)
    assert (status, "does not fit: 14 connections" in printed) == (1, True), printed


async def test_role_limits_do_not_bind_a_superuser(budget: Budget, role_url: str, migrated_url: str) -> None:
    await limit(role_url, migrated_url, "role", 1)
    await limit(role_url, migrated_url, "database", 1)
    await execute(migrated_url, f"ALTER ROLE {make_url(role_url).username} SUPERUSER")
    status, printed = await asyncio.to_thread(budget)
    assert status == 0
    assert "CONNECTION LIMIT" not in printed


async def test_connections_of_others_are_left_to_them(
    budget: Budget, role_url: str, migrated_url: str, server_url: str
) -> None:
    await limit(role_url, migrated_url, "database", 14)
    await limit(role_url, migrated_url, "role", 15)
    foreign = f'Ödd "{uuid4().hex}'
    quoted = '"' + foreign.replace('"', '""') + '"'
    await execute(
        server_url, f"CREATE DATABASE {quoted} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    await wait_until_alone(server_url, migrated_url)
    try:
        async with connected(migrated_url, "nightly\x1b[31m"), connected(sibling(role_url, foreign), "other"):
            status, printed = await asyncio.to_thread(budget)
    finally:
        await execute(server_url, f"DROP DATABASE {quoted} WITH (FORCE)")
    assert status == 1, printed
    # the superuser's connection to this database, and this role's to the other one
    assert row(printed, "CONNECTION LIMIT of the database") == [14, 0, 1, 13]
    assert row(printed, "CONNECTION LIMIT of the role") == [15, 0, 1, 14]
    assert row(printed, "max_connections")[2] >= 2
    assert re.search(r"  1 nightly\S+, to this database", printed), printed
    assert "  1 other, to other databases" in printed
    assert "\x1b" not in printed
    assert foreign not in printed
    # this command's own connection counts as the service's
    assert "Open now: 1 of this role to this database" in printed


async def test_role_that_may_not_see_others(budget: Budget, migrated_url: str) -> None:
    await execute(migrated_url, "REVOKE SELECT ON pg_stat_activity FROM PUBLIC")
    status, printed = await asyncio.to_thread(budget)
    assert status == 0
    assert "This role may not read pg_stat_activity" in printed
    assert row(printed, "max_connections")[2] == 0


def test_pooler_is_compared_at_the_pooler(budget: Budget) -> None:
    status, printed = budget("--instances", "1000", "--others", "0", DB_POOL_PROFILE="external_pooler")
    assert status == 0
    left = row(printed, "max_connections")[-1]
    assert f"default_pool_size + reserve_pool_size: at most {left - 1} " in printed


def test_database_that_cannot_be_reached_is_one_line(budget: Budget) -> None:
    status, printed = budget(DATABASE_URL="postgresql://me:my-secret@127.0.0.1:1/shop")
    assert status == 1
    assert printed.startswith("python -m app: cannot connect to PostgreSQL at postgresql+")
    assert printed.count("\n") == 0
    assert "my-secret" not in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--instances", "0"], "expected a whole number from 1 to 100000, not '0'"),
        (["--workers", "-1"], "--workers"),
        (["--others", "many"], "not 'many'"),
        (["--instances", "9" * 5000], "expected a whole number"),
        (["--surge", "²"], "expected a whole number"),
        (["--rps", "nan", "--hold-ms", "5"], "expected a number above 0, up to 100000, not 'nan'"),
        (["--rps", "5"], "--rps and --hold-ms belong together"),
        (["--hold-ms", "5", "--concurrent", "3"], "--rps and --hold-ms belong together"),
        (["--queries", "2"], "--queries needs"),
        (["--unheard-of"], "unrecognized arguments"),
    ],
)
def test_wrong_arguments_are_refused(budget: Budget, arguments: list[str], message: str) -> None:
    status, printed = budget(*arguments)
    assert status == 2
    assert message in printed


def test_recommendation_is_for_each_process(budget: Budget) -> None:
    load = ("--rps", "400", "--hold-ms", "10", "--queries", "3", "--concurrent", "60", "--cores", "8")
    _, printed = budget("--instances", "2", "--workers", "2", *load)
    assert "by rate         400 requests/s x 3 x 10 ms x 1.5 to 2 = 18 to 24\n" in printed
    assert "by concurrency  60 requests at a time / 3 queries x 1.5 = 30\n" in printed
    assert "by cores        8 cores x 2, as a start, with overflow 0 = 16\n" in printed
    assert "for each of 4 processes: DB_POOL_SIZE=8\n" in printed
    assert "DB_MAX_OVERFLOW=0 to 2 for steady traffic, 4 to 8 for bursts\n" in printed


def test_without_measurements_the_cores_are_a_start() -> None:
    lines = list(sizing.recommendation(sizing.Load(cores=8), processes=3))
    assert lines[-2:] == ["  for each of 3 processes: DB_POOL_SIZE=6", "  DB_MAX_OVERFLOW=0"]


def test_only_the_most_frequent_applications_are_named() -> None:
    usage = Usage(others=tuple((f"app-{number}", False, 20 - number) for number in range(12)))
    lines = list(budget_report.limits([Limit("max_connections", 100, others=usage.total)], usage))
    assert lines[-2:] == ["  11 app-9, to other databases", "  19 of further applications"]

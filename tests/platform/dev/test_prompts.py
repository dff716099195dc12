"""`make psql` and `make shell`: a prompt of SQL and one of Python on the service's database."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import dev
from dev.psql import without_password
from tests.platform.dev.project import Project
from tests.support.server import SECRET

ROOT = Path(dev.__file__).parents[1]
TYPED = """
import asyncio
await asyncio.sleep(0, 6) * 7
from app.features.users.schemas import UserCreate
user = await services.users.create(UserCreate(email="ada@example.com", password="correct horse"))
user.email
1 / 0
def later():
    return "still here"

later()
exit()
"""


def shell(typed: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dev.shell"],
        cwd=ROOT,
        env={**os.environ, "AUTH_SECRET_KEY": SECRET, "ENVIRONMENT": "development", **variables},
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_shell_awaits_on_the_services_of_the_database(migrated_url: str) -> None:
    ended = shell(TYPED, DATABASE_URL=migrated_url)
    assert ended.returncode == 0
    assert [line for line in ended.stdout.replace(">>> ", "").splitlines() if "database_pool" not in line] == [
        "42",
        "'ada@example.com'",
        "... ... 'still here'",
    ]
    assert "ZeroDivisionError: division by zero" in ended.stderr
    again = shell("(await services.users.find_by_email('x'))\n", DATABASE_URL=migrated_url)
    assert again.returncode == 0
    assert "AttributeError" in again.stderr


def test_shell_without_a_schema_says_so_in_one_line(empty_url: str) -> None:
    ended = shell("1\n", DATABASE_URL=empty_url, LOG_LEVEL="WARNING")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("python -m app: ")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://ada:p%40ss@one:5433/app?a=b", ("postgresql://ada@one:5433/app?a=b", "p@ss")),
        ("postgresql+asyncpg://ada@one,two/app", ("postgresql://ada@one,two/app", None)),
        ("postgres:///app", ("postgres:///app", None)),
        ("postgres://:x@", ("postgres://@", "x")),
    ],
)
def test_psql_gets_no_password_as_an_argument(url: str, expected: tuple[str, str | None]) -> None:
    assert without_password(url) == expected


def test_psql_asks_the_database_of_the_launcher(used_project: Project) -> None:
    asked = used_project.run("run", sys.executable, "-m", "dev.psql", "-XAtc", "select current_user")
    assert asked == (0, "app\n", "")


def test_psql_that_is_missing_is_named_with_what_brings_it(project: Project) -> None:
    variables = {"DEV_POSTGRES_BIN": str(project.root), "PATH": str(project.root)}
    for url, sentence in {"": "DATABASE_URL is not set", "postgresql:///app": "no psql found: install"}.items():
        with project.start("-m", "dev.psql", DATABASE_URL=url, **variables) as process:
            output, errors = process.communicate(timeout=60)
        assert (process.returncode, output) == (1, "")
        assert errors.startswith(f"dev.psql: {sentence}")
        assert errors.count("\n") == 1

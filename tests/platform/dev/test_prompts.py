"""`make psql` and `make shell`: a prompt of SQL and one of Python on the service's database."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url

import dev
from app.platform.db import driver
from dev.errors import ServiceError
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
CANCELLED = """
import asyncio
kept = 1
task = asyncio.create_task(asyncio.sleep(9))
_ = task.cancel()
await task
kept + 1
_ = asyncio.current_task().cancel()
kept + 2
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


def test_shell_goes_on_after_a_cancellation(migrated_url: str) -> None:
    ended = shell(CANCELLED, DATABASE_URL=migrated_url, LOG_LEVEL="WARNING")
    assert (ended.returncode, ended.stdout.replace(">>> ", "")) == (0, "2\n3\n")
    assert ended.stderr.count("\nTraceback") == 2


def test_shell_without_a_schema_says_so_in_one_line(empty_url: str) -> None:
    ended = shell("1\n", DATABASE_URL=empty_url, LOG_LEVEL="WARNING")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("python -m app: ")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgresql://ada:p%40ss@one:5433/app?application_name=b",
            ("host='one' dbname='app' user='ada' port='5433' application_name='b'", "p@ss"),
        ),
        ("postgresql://ada:pa/ss@one/app", ("host='one' dbname='app' user='ada'", "pa/ss")),
        ("postgresql://one/app?user=ada&password=secret", ("host='one' dbname='app' user='ada'", "secret")),
        ("postgresql://ada@one:1,two:2/app", ("dbname='app' user='ada' host='one,two' port='1,2'", None)),
        ("postgresql://ada@/app?host=one:1&host=two:2", ("dbname='app' user='ada' host='one,two' port='1,2'", None)),
        ("postgresql://one/app?sslmode=require", ("host='one' dbname='app' sslmode='require'", None)),
        ("postgresql://one/app?ssl=require", ("host='one' dbname='app' sslmode='require'", None)),
        ("postgresql://one/it's\\", (r"host='one' dbname='it\'s\\'", None)),
        (f"{driver.DRIVERNAME}:///app", ("dbname='app'", None)),
        ("postgres://:x@", ("", "x")),
    ],
)
def test_psql_gets_no_password_as_an_argument(url: str, expected: tuple[str, str | None]) -> None:
    assert without_password(url) == expected


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://ada:hunter2@b@one/app", "DATABASE_URL: percent-encode"),
        ("postgresql://ada:hunter2@one:port/app", "DATABASE_URL: not a URL"),
        ("postgresql://one/app?sslpassword=hunter2", "psql would show sslpassword of DATABASE_URL"),
    ],
)
def test_psql_does_not_start_with_a_url_that_shows_a_secret(url: str, reason: str) -> None:
    with pytest.raises(ServiceError, match=f"^{reason}") as refused:
        without_password(url)
    assert "hunter2" not in str(refused.value)


def test_psql_asks_the_database_of_the_launcher(used_project: Project) -> None:
    asked = used_project.run("run", sys.executable, "-m", "dev.psql", "-XAtc", "select current_user")
    assert asked == (0, "app\n", "")


def test_psql_asks_the_database_that_is_given_in_parts(used_project: Project, server_url: str) -> None:
    url = make_url(server_url)
    parts: dict[str, object] = {"HOST": url.host or url.query["host"], "PORT": url.port or "", "NAME": "postgres"}
    parts |= {"USER": url.username, "PASSWORD": url.password}
    variables = {f"DB_{name}": str(value) for name, value in parts.items() if value}
    with used_project.start("-m", "dev.psql", "-XAtc", "select current_database()", **variables) as process:
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (0, "postgres\n", "")


def test_psql_that_is_missing_is_named_with_what_brings_it(project: Project) -> None:
    variables = {"DEV_POSTGRES_BIN": str(project.root), "PATH": str(project.root)}
    for url, sentence in {"": "DATABASE_URL is not set", "postgresql:///app": "no psql found: install"}.items():
        with project.start("-m", "dev.psql", DATABASE_URL=url, **variables) as process:
            output, errors = process.communicate(timeout=60)
        assert (process.returncode, output) == (1, "")
        assert errors.startswith(f"dev.psql: {sentence}")
        assert errors.count("\n") == 1

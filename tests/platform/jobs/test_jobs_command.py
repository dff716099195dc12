"""`python -m app jobs …` and `python -m app worker`."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from uuid import UUID, uuid4

import pytest

from app import __main__ as cli
from app.platform.db.session import Database
from tests.platform.jobs.rows import dead_letters, insert_dead_letter
from tests.support.databases import settings_for
from tests.support.outbox import outbox
from tests.support.server import SECRET

Run = Callable[..., None]
ResultT = TypeVar("ResultT")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, migrated_url: str) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("TASKS_", "REDIS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DATABASE_URL", migrated_url)
    monkeypatch.setenv("AUTH_SECRET_KEY", SECRET)
    monkeypatch.setenv("LOG_LEVEL", "WARNING")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command, as from a shell."""

    def call(*arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["app", *arguments])
        cli.main()

    return call


def with_database(url: str, work: Callable[[Database], Awaitable[ResultT]]) -> ResultT:
    """Call `work` with a database, in an event loop of its own."""

    async def opened() -> ResultT:
        database = Database(settings_for(url))
        await database.init()
        result = await work(database)
        await database.close()
        return result

    return asyncio.run(opened())


def insert_two(url: str) -> tuple[UUID, UUID]:
    """Insert an old and a new dead letter, and return their ids."""

    async def work(database: Database) -> tuple[UUID, UUID]:
        return await insert_dead_letter(database, "old", timedelta(days=3)), await insert_dead_letter(database, "new")

    return with_database(url, work)


def test_dead_letters_are_listed_replayed_and_purged(
    run: Run, capsys: pytest.CaptureFixture[str], migrated_url: str
) -> None:
    old, new = insert_two(migrated_url)
    run("jobs", "dead")
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [str(old), str(new)]
    run("jobs", "replay", str(new))
    assert capsys.readouterr().out == "1 to be tried again\n"
    assert [row.id for row in with_database(migrated_url, outbox)] == [new]
    run("jobs", "waiting")
    assert capsys.readouterr().out.startswith("new waiting 1, since ")
    run("jobs", "purge")
    assert capsys.readouterr().out == "1 deleted\n"
    assert with_database(migrated_url, dead_letters) == []


def test_age_is_given_in_days(run: Run, capsys: pytest.CaptureFixture[str], migrated_url: str) -> None:
    _, new = insert_two(migrated_url)
    run("jobs", "purge", "--older-than", "3.5")
    run("jobs", "purge", "--older-than", "2.5")
    assert capsys.readouterr().out == "0 deleted\n1 deleted\n"
    assert [row.id for row in with_database(migrated_url, dead_letters)] == [new]


def test_unknown_id_fails_with_one_line(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    unknown = uuid4()
    with pytest.raises(SystemExit) as exited:
        run("jobs", "replay", str(unknown))
    assert exited.value.code == f"python -m app: no dead letter has the id {unknown}; nothing was changed"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("drop",), "invalid choice: 'drop'"),
        (("purge", "everything"), "invalid UUID value: 'everything'"),
        (("purge", "--older-than", "long"), "expected 0 to 36500, not long"),
        (("purge", "--older-than", "nan"), "expected 0 to 36500, not nan"),
        (("purge", "--older-than", "1e99"), "expected 0 to 36500, not 1e99"),
        (("purge", "--older-than", "-1"), "expected 0 to 36500, not -1"),
    ],
)
def test_malformed_command_is_refused_with_a_reason(
    run: Run, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(SystemExit) as exited:
        run("jobs", *arguments)
    assert exited.value.code == 2
    assert problem in capsys.readouterr().err


def test_help_lists_the_actions(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        run("jobs", "--help")
    assert exited.value.code == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown[-4:]] == ["waiting", "dead", "replay", "purge"]


def test_worker_without_a_broker_fails_with_one_line(run: Run) -> None:
    with pytest.raises(SystemExit) as exited:
        run("worker")
    assert exited.value.code == "python -m app: jobs need a broker: set REDIS_URL, or TASKS_BROKER_URL"


def test_worker_with_an_unsupported_broker_fails_with_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKS_BROKER_URL", "sqs://ada:hunter2@queue")
    with pytest.raises(SystemExit) as exited:
        run("worker")
    assert str(exited.value.code).startswith("python -m app: TASKS_BROKER_URL: expected redis:// or rediss://")
    assert "hunter2" not in str(exited.value.code)


@pytest.mark.parametrize("command", [("jobs", "waiting"), ("jobs", "replay"), ("worker",)])
def test_unreachable_database_fails_with_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada:hunter2@127.0.0.1:1/shop")
    with pytest.raises(SystemExit) as exited:
        run(*command)
    line = str(exited.value.code)
    assert line.startswith("python -m app: cannot connect to PostgreSQL at postgresql+")
    assert "\n" not in line
    assert "hunter2" not in line
    assert capfd.readouterr() == ("", "")

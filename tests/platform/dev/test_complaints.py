"""What goes wrong is said in one line; what only looks wrong after a crash is not in the way."""

import os
import signal
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from dev import env_file, services
from dev.binaries import find_postgres
from dev.errors import ServiceError
from dev.load.target import started
from tests.platform.dev.project import Project, wait_until

CRASH = 'kill -9 "$(head -n 1 .dev/postgres/postmaster.pid)"'


def a_file(data: Path) -> None:
    data.write_text("")


def a_foreign_directory(data: Path) -> None:
    data.mkdir()
    (data / "thesis.txt").write_text("")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (a_file, "is in the way: it is not a directory"),
        (a_foreign_directory, "is not a PostgreSQL data directory, move it away"),
    ],
)
def test_something_in_the_way(make: Callable[[Path], None], sentence: str, project: Project) -> None:
    project.data.parent.mkdir()
    make(project.data)
    assert sentence in project.complaint()
    assert project.data.exists()


def test_data_of_another_major_version(project: Project) -> None:
    project.data.mkdir(parents=True)
    (project.data / "PG_VERSION").write_text("9\n")
    assert "was made by PostgreSQL 9, but only" in project.complaint()


def test_a_lost_password(project: Project) -> None:
    project.data.mkdir(parents=True)
    (project.data / "PG_VERSION").write_text(find_postgres().major)
    assert "postgres.password is missing" in project.complaint()


def test_a_server_that_does_not_start(used_project: Project) -> None:
    settings = used_project.data / "postgresql.conf"
    good = settings.read_text()
    settings.write_text("no_such_setting = on\n")
    complaint = used_project.complaint()
    settings.write_text(good)
    assert "PostgreSQL did not start; end of its log: " in complaint
    assert "no_such_setting" in complaint


def test_a_project_directory_without_permission(project: Project) -> None:
    (project.root / ".dev").write_text("")
    assert "cannot make" in project.complaint()


def test_missing_programs(project: Project) -> None:
    complaint = project.complaint(DEV_POSTGRES_BIN=str(project.root))
    assert f"no PostgreSQL in DEV_POSTGRES_BIN={project.root}" in complaint


def test_an_unknown_command_and_a_wrong_command_line(project: Project) -> None:
    status, _, errors = project.run("run", "no-such-command", DATABASE_URL="given")
    assert status == 1
    assert errors.startswith("dev.services: cannot run no-such-command: ")
    status, _, errors = project.run("start")
    assert status == 1
    assert errors.startswith("dev.services: usage: ")


def test_a_crash_of_the_server_is_no_obstacle(used_project: Project) -> None:
    assert used_project.run("run", "sh", "-c", CRASH)[0] == 0
    assert (used_project.data / "postmaster.pid").exists()
    assert used_project.run("run", "true") == (0, "", "")


def test_a_stale_process_id_of_another_program_is_no_obstacle(used_project: Project) -> None:
    pid_file = used_project.data / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{used_project.data}\n1\n1\n\n127.0.0.1\n1 1\nready\n")
    assert used_project.run("run", "true") == (0, "", "")


def test_an_interrupted_first_start_is_no_obstacle(project: Project) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with project.start("-m", "dev.services", "run", "true") as launcher:
            wait_until((project.root / ".dev" / "postgres.new" / "PG_VERSION").exists)
            launcher.send_signal(number)
        assert launcher.returncode in (128 + signal.SIGTERM, -signal.SIGKILL)
        assert not project.data.exists()
    assert project.run("run", "true") == (0, "", "")
    assert [path.name for path in project.root.glob(".dev/*.new")] == []


def test_the_password_is_asked_for(used_project: Project) -> None:
    program = find_postgres()["psql"]
    script = f'{program} "$(echo "$DATABASE_URL" | sed s/app:/app:x/)" -c "select 1"'
    status, _, errors = used_project.run("run", "sh", "-c", script)
    assert status == 2
    assert "password authentication failed" in errors


def test_a_file_of_settings_in_another_encoding(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = project.root / ".env"
    file.write_text("NAME=Łódź\n", encoding="iso-8859-2")
    assert project.complaint() == f"dev.services: {file}: expected text in UTF-8\n"
    # the load test does not begin with a traceback either
    monkeypatch.setattr(env_file, "FILE", file)
    monkeypatch.setattr(services, "postgres", lambda _: nullcontext("postgresql://127.0.0.1:1/none"))
    with pytest.raises(ServiceError, match="expected text in UTF-8"), started(tmp_path, {}):
        pass

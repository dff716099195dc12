"""A command beside `make run` uses its server; what only looks like a server is not used."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dev.binaries import find_postgres
from dev.cluster import Cluster
from tests.platform.dev.project import Project

QUERY = f'{find_postgres()["psql"]} "$DATABASE_URL" -XAtc "select 42"'
ASK = ("run", "sh", "-c", QUERY)


@contextmanager
def running(project: Project) -> Iterator[int]:
    """Stand for `make run`, and yield the server's process id."""
    with project.start("-m", "dev.services", "run", "sleep", "60", DEV_RUN="1") as first:
        yield project.server_pid()
        first.terminate()
        first.communicate(timeout=60)
    assert first.returncode == 128 + signal.SIGTERM


def hurry(project: Project) -> None:
    """Make commands wait for another run for a second only."""
    lock = project.root / "dev/lock.py"
    text = lock.read_text()
    assert "JOIN_SECONDS = 30.0" in text
    lock.write_text(text.replace("JOIN_SECONDS = 30.0", "JOIN_SECONDS = 1.0"))


def test_command_uses_the_running_server_and_leaves_it_there(used_project: Project) -> None:
    with running(used_project) as pid:
        assert used_project.run(*ASK) == (0, "42\n", "")
        assert used_project.server_pid() == pid
        # as if the server had been started by hand: nobody holds the lock
        used_project.data.with_name("postgres.lock").unlink()
        assert used_project.run(*ASK) == (0, "42\n", "")
        assert used_project.server_pid() == pid


def test_second_make_run_is_told_what_runs(used_project: Project) -> None:
    with running(used_project) as pid:
        assert f"is in use by a running server (pid {pid})" in used_project.complaint(DEV_RUN="1")
        used_project.data.with_name("postgres.lock").unlink()
        assert f"is in use by a running server (pid {pid})" in used_project.complaint(DEV_RUN="1")


def test_commands_that_start_at_once_on_no_data_share_one_server(project: Project) -> None:
    # the command that started the server ends last
    wait = f"{QUERY}; for _ in $(seq 600); do [ -e done ] && exit; sleep 0.1; done"
    processes = [project.start("-m", "dev.services", "run", "sh", "-c", wait) for _ in range(3)]
    project.server_pid()
    printed = [process.stdout.readline() if process.stdout else "" for process in processes]
    (project.root / "done").touch()
    assert [process.communicate(timeout=60) for process in processes] == [("", "")] * 3
    assert printed == ["42\n"] * 3


def test_server_that_crashed_beside_its_run_is_not_used(project: Project) -> None:
    hurry(project)
    with running(project) as pid:
        os.kill(pid, signal.SIGKILL)
        assert "is in use by another run of this project: stop that one first" in project.complaint()
    assert project.run(*ASK) == (0, "42\n", "")


@pytest.mark.parametrize(
    "lines",
    ["{pid}", "{pid}\n{data}\n1\n5432\n\n127.0.0.1\n1 1\nstopping", "{pid}\n{data}\n1\n5432\n\n127.0.0.1\n1 1\nready"],
    ids=["half written", "stopping", "of another program"],
)
def test_file_of_no_ready_server_names_no_port(tmp_path: Path, lines: str) -> None:
    data = tmp_path / "postgres"
    data.mkdir()
    (data / "postmaster.pid").write_text(lines.format(pid=os.getpid(), data=data))
    assert Cluster(data).live_port() is None

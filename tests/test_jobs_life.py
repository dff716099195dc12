"""Jobs come and go on a living project: with the owner's edits, their revision, and rows in the database."""

from pathlib import Path

import pytest

from tests import life, owner
from tests.life import Rendered
from tests.project import Project
from tests.rendering import commit
from tests.shell import CommandError, run
from tests.test_variants_run import alembic
from tests.variants import Variant, few_variants

OWNERS = {"owner_0003 (service) (head)", "platform_0001 (platform) (head)"}
JOBS = "jobs_0001 (jobs) (head)"

COUNT_USERS = "SELECT count(*) FROM users WHERE phone IS NOT NULL"
ADD_USER = """
INSERT INTO users (id, email, password_hash, is_active, is_admin, phone)
VALUES (gen_random_uuid(), 'ada@example.com', 'x', true, false, '1')
"""
ADD_JOB = "INSERT INTO outbox_messages (id, job, arguments) VALUES (gen_random_uuid(), 'sample', '{}')"
FINISH_JOBS = "DELETE FROM outbox_messages"

SCRIPT = """
import asyncio, sys
from sqlalchemy import text
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
    """Run a statement on the development database, as a script of the owner would."""
    uv = ("uv", "run", "--no-sync")
    launcher = (*uv, "python", "-m", "dev.services", "run", "--", *uv, "python", "-c", SCRIPT, statement)
    return run(*launcher, cwd=project.root).partition("answer: ")[2].strip()


def switch(project: Project, queue: str) -> None:
    project.make("template-switch", f"task_queue={queue}")
    assert not owner.unmerged(project.root)
    assert not owner.lost(project.root)


def settle(project: Project, *heads: str) -> None:
    """What the owner does after a switch; the database is what the migrations and the models say, and has its rows."""
    project.make("setup", "migrate")
    assert set(alembic(project, "heads").splitlines()) == {*OWNERS, *heads}
    assert revisions(project) == {head.split()[0] for head in (*OWNERS, *heads)}
    alembic(project, "check")
    assert sql(project, COUNT_USERS) == "1"
    project.make("lint")
    commit(project.root, "Another queue")


def revisions(project: Project) -> set[str]:
    """What the development database has."""
    return {line.split()[0] for line in alembic(project, "current").splitlines()}


@pytest.mark.parametrize("start", few_variants()[1:2], ids=lambda variant: variant.id)
def test_jobs_come_and_go(start: Variant, tmp_path: Path, rendered: Rendered, worked_on: Rendered) -> None:
    start = start.but(task_queue="none")
    tmp_path.chmod(0o755)
    project = Project(life.newborn(rendered(start), tmp_path / "service"))
    owner.work_on(project.root)
    project.make("setup", "migrate")
    commit(project.root, "Set up")
    sql(project, ADD_USER)
    for queue in ("arq", "celery"):
        switch(project, queue)
        settle(project, JOBS)
    sql(project, ADD_JOB)
    with pytest.raises(CommandError, match="1 jobs are not done: let a worker finish them"):
        switch(project, "none")
    assert "jobs_0001" in revisions(project)
    assert not run("git", "status", "--porcelain", cwd=project.root), "a refused switch changes nothing"
    sql(project, FINISH_JOBS)
    switch(project, "none")
    # which `make setup` made
    assert life.differences(project.root, worked_on(start)) == ["uv.lock"]
    settle(project)

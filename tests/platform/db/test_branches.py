"""The migration branches are independent, and several instances may migrate at once."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text

from app.platform.db import migrations
from app.platform.db.session import Database
from app.platform.errors import StartupError
from tests.platform.support.project import with_versions_in
from tests.support.databases import heads, settings_for

Alembic = Callable[..., Awaitable[None]]


@pytest.fixture
def alembic(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> Alembic:
    """Run Alembic's commands on the test's database, in a thread: migrations start an event loop of their own."""
    monkeypatch.setenv("DATABASE_URL", migrated_url)

    async def run(name: str, *arguments: str) -> None:
        await asyncio.to_thread(getattr(command, name), migrations.config(), *arguments)

    return run


async def migrate_in_a_process(url: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", "migrate"),
        env=os.environ | {"DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


@pytest.mark.commits
async def test_constraints_have_the_names_that_migrations_drop_them_by(database: Database) -> None:
    query = """
        SELECT contype::text, conrelid::regclass::text, conname FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'f', 'u', 'c')"""
    prefixes = {"p": "pk", "f": "fk", "u": "uq", "c": "ck"}
    async with database.transaction() as session:
        found = (await session.execute(text(query))).all()
        ours = [(kind, table, name) for kind, table, name in found if table != "alembic_version"]
        assert {"p", "u"} <= {kind for kind, _, _ in ours}
        for kind, table, name in ours:
            assert name.startswith(f"{prefixes[kind]}_{table}"), name
            await session.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name} CASCADE"))


async def test_each_branch_goes_down_by_itself(alembic: Alembic) -> None:
    await alembic("downgrade", "platform@base")
    await alembic("downgrade", "service@base")


async def test_instances_that_start_at_once_do_not_race(empty_url: str) -> None:
    results = await asyncio.gather(*[migrate_in_a_process(empty_url) for _ in range(2)])
    assert [status for status, _ in results] == [0, 0], results
    assert sorted("Running upgrade" in output for _, output in results) == [False, True]
    empty = Database(settings_for(empty_url))
    await empty.init()
    async with empty.read() as session:
        applied = set(await session.scalars(text("SELECT version_num FROM alembic_version")))
    assert applied == set(heads().values())
    await empty.close()


def test_source_tree_has_its_own_migrations() -> None:
    """An editable install copies the migrations into site-packages, where they become outdated."""
    assert migrations.config().config_file_name == str(Path(__file__).parents[3] / "alembic.ini")


def test_checkout_may_have_odd_characters_in_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, copy = Path(__file__).parents[3], tmp_path / "My Größe 100%2Fx"
    shutil.copytree(root / "migrations", copy / "migrations")
    shutil.copy(root / "alembic.ini", copy)
    expected = heads()
    monkeypatch.setattr(migrations, "_INI", copy / "alembic.ini")
    assert heads() == expected
    # nothing to apply would look like a success
    shutil.rmtree(copy / "migrations/platform")
    with pytest.raises(StartupError, match="100%2Fx/migrations/platform, which `version_locations` names, is no dir"):
        migrations.upgrade()


def test_nothing_to_join_writes_no_migration() -> None:
    """A merge of one migration would be one more step of the history that does nothing."""
    root = Path(__file__).parents[3]
    before = set((root / "migrations/service").iterdir())
    run = f"RUN=env PATH={Path(sys.executable).parent}:{os.environ['PATH']}"
    command = ["make", "migration-merge", run]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    written = {path for path in (root / "migrations/service").iterdir() if path.name != "__pycache__"} - before
    for path in written:
        path.unlink()
    assert not written
    assert done.returncode == 2
    assert "Nothing was done: no two migrations follow the same one." in done.stderr


def test_branches_are_independent() -> None:
    assert {"platform", "service"} <= set(heads())
    scripts = ScriptDirectory.from_config(migrations.config())
    assert all(script.dependencies is None for script in scripts.walk_revisions())


async def test_new_migration_goes_to_the_service_branch(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("versions")
    config = with_versions_in(folder)
    monkeypatch.setenv("DATABASE_URL", migrated_url)

    def write() -> object:
        return command.revision(config, "add colour", autogenerate=True, head="service@head", version_path=str(folder))

    written = await asyncio.to_thread(write)
    (file,) = folder.glob("*_add_colour.py")
    assert "op." not in file.read_text().partition("def upgrade")[2]
    assert getattr(written, "down_revision", None) == heads()["service"]

"""Migrations are written for changed CHECKs, and for enums, which have one."""

import enum
from pathlib import Path

import pytest
from sqlalchemy import CheckConstraint, Column, Enum, Integer, String, text

from app.platform.db.base import Base
from app.platform.db.session import Database
from tests.platform.support.project import Project


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


class LongerLevel(enum.Enum):
    LOW = "low"
    HIGH = "high"
    HIGHEST = "highest of all"


def level(kind: type[enum.Enum]) -> Column[object]:
    annotated = Base.registry.type_annotation_map[enum.Enum]
    assert isinstance(annotated, Enum)
    arguments = {"native_enum": False, "create_constraint": True, "length": annotated.length}
    return Column("level", Enum(kind, values_callable=annotated.values_callable, **arguments))


@pytest.fixture
def project(migrated_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Project:
    return Project(monkeypatch, tmp_path / "versions", migrated_url)


@pytest.mark.commits
async def test_enum_that_grows_and_shrinks(project: Project, database: Database) -> None:
    project.has()
    await project.run("check")
    project.has(Column("name", String))
    await project.migrate("table")
    project.has(Column("name", String), level(Level))
    added = await project.migrate("level")
    assert added.count("op.") == 2
    project.has(Column("name", String), level(LongerLevel))
    assert "ck_things_level" in await project.differs()
    assert "highest of all" in await project.migrate("longer")
    insert = "INSERT INTO things (id, level) VALUES (1, 'highest of all')"
    async with database.transaction() as session:
        await session.execute(text(insert))
        await session.execute(text("DELETE FROM things"))
    project.has(Column("name", String))
    await project.migrate("gone")
    for steps in range(1, 4):
        await project.run("downgrade", f"service@-{steps}")
        await project.run("upgrade", "heads")
    await project.run("check")
    async with database.read() as session:
        assert await session.scalar(text("SELECT count(*) FROM pg_type WHERE typtype = 'e'")) == 0


@pytest.mark.parametrize("other", ["size >= 0", "size > 0 OR name ~ '^[a:b]%$'"])
async def test_changed_check_is_found(project: Project, other: str) -> None:
    columns = (Column("size", Integer), Column("name", String))
    project.has(*columns, CheckConstraint("size > 0", name="size"), CheckConstraint("name LIKE 'a%'", name="name"))
    assert "name LIKE 'a%'" in await project.migrate("table")
    columns = (Column("size", Integer), Column("name", String))
    same = CheckConstraint(" ( SIZE>0 )", name="size")
    project.has(*columns, same, CheckConstraint("name LIKE 'a%'", name="name"))
    await project.run("check")
    columns = (Column("size", Integer), Column("name", String))
    project.has(*columns, CheckConstraint(other, name="size"))
    assert "ck_things_size" in await project.differs()
    await project.migrate("check")
    await project.run("downgrade", "service@-1")
    await project.run("upgrade", "heads")
    await project.run("check")


COLONS = r"(code ~ '^(?\:AB|CD)[[:alpha:]]\\:x$'\:\:text)"
STORED = r"""
    SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint WHERE conname = 'ck_things_code'
"""


@pytest.mark.commits
async def test_colons_are_no_parameters(project: Project, database: Database) -> None:
    async def has(check: str) -> None:
        async with database.read() as session:
            assert await session.scalar(text(STORED)) == check

    colons, other = r"((code)::text ~ '^(?:AB|CD)[[:alpha:]]\:x$'::text)", "((code)::text <> ''::text)"
    project.has(Column("code", String), CheckConstraint(COLONS, name="code"))
    await project.migrate("table")
    await has(colons)
    project.has(Column("code", String), CheckConstraint("code <> ''", name="code"))
    await project.migrate("other")
    await has(other)
    await project.run("downgrade", "service@-1")
    await has(colons)
    await project.run("upgrade", "heads")
    project.has(Column("code", String), CheckConstraint(COLONS, name="code"))
    await project.migrate("again")
    await has(colons)


@pytest.mark.commits
async def test_colons_of_a_table_that_is_made_again(project: Project, database: Database) -> None:
    colons = r"((code)::text ~ '^(?:AB|CD)[[:alpha:]]$'::text)"
    project.has(Column("code", String), CheckConstraint(r"code ~ '^(?\:AB|CD)[[:alpha:]]$'", name="code"))
    await project.migrate("table")
    project.has()
    await project.migrate("none")
    await project.run("downgrade", "service@-1")
    async with database.read() as session:
        assert await session.scalar(text(STORED)) == colons


async def test_check_of_an_expression_about_an_enum(project: Project) -> None:
    column = level(Level)
    project.has(Column("name", String))
    await project.migrate("table")
    project.has(Column("name", String), column, CheckConstraint(column != Level.LOW, name="not_low"))
    assert "ck_things_not_low" in await project.migrate("level")


async def test_enum_becomes_text(project: Project) -> None:
    project.has(level(Level))
    assert "ck_things_level" not in await project.migrate("table")
    project.has(Column("level", String))
    assert "drop_constraint(op.f('ck_things_level')" in (await project.migrate("text")).replace('"', "'")
    await project.run("downgrade", "service@-1")
    await project.run("upgrade", "heads")
    await project.run("check")

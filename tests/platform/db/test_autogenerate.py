"""Migrations remove what migrations of this service have made, and nothing else."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    Double,
    Index,
    Integer,
    String,
    Uuid,
    column,
    func,
    literal,
    text,
)
from sqlalchemy.schema import SchemaItem

from app.platform.db.expressions import escaped
from app.platform.db.session import Database
from tests.platform.support.project import Project
from tests.support.databases import execute


@pytest.fixture
def project(migrated_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Project:
    return Project(monkeypatch, tmp_path / "versions", migrated_url)


async def test_what_was_made_here_is_removed(project: Project) -> None:
    project.has(Column("size", Integer), CheckConstraint("size > 0", name="size"), Index(None, "size"))
    await project.migrate("table")
    project.has(Column("size", Integer))
    removed = await project.migrate("smaller")
    assert "ck_things_size" in removed
    assert "ix_things_size" in removed
    project.has(Column("other", Integer))
    assert "drop_column" in await project.migrate("other")
    project.has()
    assert "drop_table" in await project.migrate("none")


async def test_where_of_an_index_is_compared(project: Project) -> None:
    size = column("size", Integer)

    def things(*more: SchemaItem, **where: Any) -> tuple[SchemaItem, ...]:
        return (Column("size", Integer), *more, Index("ix_small", "size", **where))

    project.has(*things(postgresql_where=text("size < 10  AND size>0")))
    await project.migrate("table")
    project.has(*things(postgresql_where=(size > 0) & (size < 10)))
    assert "ix_small" in await project.differs()
    narrower = await project.migrate("turned")
    assert narrower.count("op.create_index") == narrower.count("op.drop_index") == 2
    project.has(*things(postgresql_where=text("SIZE > 0 and (things.size < 10)")))
    await project.run("check")
    project.has(*things())
    assert "ix_small" in await project.migrate("all")
    project.has(*things(Column("shade", String), postgresql_where=text("shade <> 'a'")))
    assert "ix_small" in await project.migrate("shade")
    await project.run("downgrade", "service@-3")
    await project.run("upgrade", "heads")
    await project.run("check")


async def test_where_of_an_index_may_have_any_character(project: Project) -> None:
    word = r":admin \:[0-9] 50%"
    for message, where in (("new", column("word") == word), ("other", column("word") != word), ("none", None)):
        project.has(Column("word", String), Index("ix_word", "word", postgresql_where=where))
        await project.migrate(message)
    await project.run("downgrade", "service@-2")
    await project.run("upgrade", "heads")
    await project.run("check")


@pytest.mark.commits
async def test_expressions_of_an_index_are_compared(project: Project, database: Database) -> None:
    """With what a driver or SQLAlchemy would take for something else, in upper case, and with an operator class."""

    async def definition() -> object:
        async with database.read() as session:
            return await session.scalar(text("SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_word'"))

    word = column("word", String)
    pattern = text(r"(word ~ '(?\:a|b\:)50%') DESC")
    definitions = []
    for message, expressions in (
        ("new", (text("lower(word) text_pattern_ops"), pattern)),
        ("signs", (func.replace(word, r"a:b \:c 50%", "A"), column("id", Integer))),
        ("capital", (func.replace(word, r"a:b \:c 50%", "a"), column("id", Integer))),
    ):
        project.has(Column("word", String), Index("ix_word", *expressions))
        await project.migrate(message)
        definitions.append(await definition())
    project.has(Column("word", String), Index("ix_word", text("LOWER( word ) text_pattern_ops"), pattern))
    assert "ix_word" in await project.differs()
    project.has()
    await project.migrate("none")
    for before in reversed(definitions):
        await project.run("downgrade", "service@-1")
        assert await definition() == before
    await project.run("upgrade", "heads")


async def test_defaults_and_computed_columns_may_have_any_character(project: Project) -> None:
    signs = r":x \:[0-9] (?:y) 50% it's"
    sql = text(escaped("'" + signs.replace("'", "''") + "'"))
    for message, default, coded in (("new", signs, sql), ("swapped", sql, f"{signs}!"), ("none", None, None)):
        project.has(
            Column("word", String, server_default=default),
            Column("code", String, server_default=coded),
            Column("drawn", Double, server_default=text("RANDOM()*10")),
            Column("made", String, Computed(column("word", String) + literal(signs), persisted=True)),
            *[Column("also", String, Computed(sql, persisted=True))] * (message == "swapped"),
        )
        await project.migrate(message)
    await project.run("downgrade", "service@-2")
    await project.run("upgrade", "heads")
    await project.run("check")


async def test_names_that_need_quotes_are_compared(project: Project) -> None:
    name = 'a "Quoted" Straße :b 50%'

    def things(size: int) -> tuple[SchemaItem, ...]:
        where = text(f"size > {size}")
        index = Index(f"ix {name}", text(f"(size + {size})"), postgresql_where=where)
        return (Column("size", Integer), CheckConstraint(where, name=f"ck {name}"), index)

    project.has(*things(1), table=name)
    await project.migrate("table")
    project.has(*things(2), table=name)
    found = await project.differs()
    assert f"ix {name}" in found
    assert f"ck {name}" in found
    project.has(Column("size", Integer), table=name)
    await project.migrate("plain")
    project.has()
    assert "drop_table" in await project.migrate("none")
    await project.run("downgrade", "service@-3")
    await project.run("upgrade", "heads")
    await project.run("check")


async def test_what_others_made_stays(project: Project, migrated_url: str) -> None:
    await execute(
        migrated_url,
        "CREATE TABLE foreign_table (id integer PRIMARY KEY, user_id uuid REFERENCES users)",
        "CREATE INDEX foreign_index ON users (full_name)",
        "ALTER TABLE users ADD COLUMN foreign_column text",
        "ALTER TABLE users ADD CONSTRAINT foreign_check CHECK (email <> '')",
        "ALTER TABLE users ADD CONSTRAINT foreign_key UNIQUE (id, full_name)",
    )
    project.has()
    await project.run("check")
    assert "foreign_" not in await project.migrate("nothing")


async def test_what_others_made_stays_whatever_its_name(project: Project, migrated_url: str) -> None:
    """The names are in this service's own files of migrations, as names of other things."""
    await execute(
        migrated_url,
        *(f"CREATE TABLE {name} (id integer PRIMARY KEY)" for name in ("platform", "service", "key", "email")),
        "ALTER TABLE users ADD COLUMN key text",
        "ALTER TABLE users ADD COLUMN response text",
        "ALTER TABLE users ADD CONSTRAINT expires_at CHECK (email <> '')",
        "CREATE INDEX full_name ON users (full_name)",
        "CREATE INDEX ix_users_full_name ON users (full_name)",
    )
    project.has()
    await project.run("check")
    assert "drop" not in await project.migrate("nothing")


async def test_what_the_convention_named_is_removed(project: Project) -> None:
    name = "a_name_that_makes_the_name_of_its_index_too_long_for_postgresql"
    project.write(
        f"""op.create_table(
            "things", sa.Column("id", sa.Integer, primary_key=True), sa.Column("code", sa.Integer, unique=True),
            sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id")), sa.Column("{name}", sa.Integer, index=True),
            sa.UniqueConstraint("id", "code"), sa.CheckConstraint("code > 0", name="code"),
        )"""
    )
    await project.run("upgrade", "heads")
    project.has(*(Column(each, Integer) for each in ("code", name)), Column("user_id", Uuid))
    removed = await project.migrate("plain")
    _, upgrade = removed.split("def upgrade()")
    upgrade, _ = upgrade.split("def downgrade()")
    assert upgrade.count("drop_") == 5


async def test_what_revisions_make(project: Project) -> None:
    """Names that a file computes are left out, and so is what is in other schemas or only a downgrade makes."""
    before = project.made()
    project.write(
        """op.create_table("first", *columns(), sa.Column("size", sa.Integer))
    op.rename_table("first", "second")
    op.add_column("second", sa.Column("added", sa.Integer))
    op.drop_column("second", "size")
    op.alter_column("second", "added", new_column_name="renamed")
    op.execute("CREATE TABLE IF NOT EXISTS public.third (id integer, size numeric(12, 2) CHECK (size > 0))")
    op.execute("ALTER TABLE third ADD COLUMN note text, ADD CONSTRAINT third_note CHECK (note <> '')")
    op.execute("CREATE TABLE elsewhere.fourth (id integer)")
    op.execute('CREATE TABLE "The ""8th"" one" ("a b" integer, CONSTRAINT "its check" CHECK (true))')
    op.create_table("fifth", sa.Column("id", sa.Integer), schema="elsewhere")
    op.create_table("sixth", sa.Column("id", sa.Integer))
    op.drop_table("sixth")
    op.create_table(f"{revision}_table")


def columns() -> list[sa.Column[object]]:
    return [sa.Column("shared", sa.Integer)]


def downgrade() -> None:
    op.create_table("seventh", sa.Column("id", sa.Integer))"""
    )
    after = project.made()
    assert after.tables - before.tables == {"second", "third", 'The "8th" one'}
    assert ('The "8th" one', "a b") in after.columns
    assert "its check" in after.names
    assert {column for table, column in after.columns if table == "second"} == {"shared", "renamed"}
    assert {column for table, column in after.columns if table == "third"} >= {"id", "size", "note"}
    assert "third_note" in after.names
    assert not {"second", "size", "by_hand"} & after.names

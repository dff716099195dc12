"""`make template-switch` in a project with database migrations of its own: it never forks their history in silence."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from dev.template.merge import Merge
from dev.template.project import Project
from dev.template.revisions import misfits

from tests import life, owner, rendering
from tests.life import Rendered, tool
from tests.shell import environment, run
from tests.variants import plain_variants

OWN = '''"""Ours.

Revision ID: {revision}
Revises: service_0001
"""

revision = "{revision}"
down_revision = "service_0001"
branch_labels = None
depends_on = None
'''
ALEMBIC = "uv run --quiet --isolated --no-project --with alembic --with ruff alembic"


def alembic(project: Path, *arguments: str) -> str:
    return run(*ALEMBIC.split(), *arguments, cwd=project, env=environment())


def test_two_ends_of_the_history_are_named_with_what_joins_them(rendered: Rendered, tmp_path: Path) -> None:
    bare = life.newborn(rendered(plain_variants()[0].but(sample="none")), tmp_path / "service")
    (bare / "migrations/service/ours.py").write_text(OWN.format(revision="9a8b"))
    rendering.commit(bare)
    status, printed = tool(bare, "switch", "sample=orders")
    assert status == 1
    assert not owner.unmerged(bare)
    assert "service_0002 (head)" in alembic(bare, "heads").replace(" (service)", "")
    (target,) = re.findall(r"run: make (.*)", printed)
    (command,) = re.findall(
        rf"^{target}:.*\n(?:\t@.*\n)*\t\$\(RUN\) alembic (.*)$", (bare / "Makefile").read_text(), re.MULTILINE
    )
    alembic(bare, *shlex.split(command))
    heads = alembic(bare, "heads").splitlines()
    assert [each for each in heads if "(service)" in each and "service_0002" not in each and "9a8b" not in each]
    assert len(heads) == 2, "service and platform"


@pytest.mark.parametrize(
    ("own", "told"),
    [
        (OWN.format(revision="service_0002"), "0002_orders.py, migrations/service/ours.py: both are service_0002;"),
        (OWN.format(revision="9a8b").replace('= "service_0001"', '= ("service_0001", "service_0002")'), ""),
        ("not Python", ""),
    ],
)
def test_a_migration_that_comes_is_compared_with_the_owners(
    own: str, told: str, rendered: Rendered, tmp_path: Path
) -> None:
    """Of two with the same name, Alembic would run only one."""
    base, new, mine = tmp_path / "base", rendered(plain_variants()[0]), tmp_path / "mine"
    base.mkdir()
    (mine / "migrations/service").mkdir(parents=True)
    (mine / "migrations/service/ours.py").write_text(own)
    merge = Merge(Project(mine), base, new)
    shutil.copytree(new / "migrations/service", mine / "migrations/service", dirs_exist_ok=True)
    assert [told in each for each in misfits(merge)] == ([True] if told else [])

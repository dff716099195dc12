"""Makes future releases of the template."""

from collections.abc import Callable
from pathlib import Path
from textwrap import indent
from typing import Any

import yaml

from tests import rendering, simulated
from tests.edits import replace
from tests.releases import release_all
from tests.shell import run

REVISION = "platform_9999"
VERSION = "99.0.0"

MODEL = "template/src/app/platform/auth/models.py"
FIELD = "    used_at: Mapped[datetime | None]"
ADDED = "    device: Mapped[str | None] = mapped_column(String(64))\n"

MIGRATION = f'''"""The device that a token was given to.

Revision ID: {REVISION}
Revises: {{head}}
"""

import sqlalchemy as sa
from alembic import op

revision = "{REVISION}"
down_revision = "{{head}}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("refresh_tokens", sa.Column("device", sa.String(length=64), nullable=True))


def downgrade() -> None:
    op.drop_column("refresh_tokens", "device")
'''


def platform_revision(template: Path) -> None:
    """Add a column to a table of the template, with its revision."""
    revisions = template / "template/migrations/platform"
    head = "platform_" + max(path.name for path in revisions.glob("*.py")).partition("_")[0]
    (revisions / "9999_device.py").write_text(MIGRATION.format(head=head))
    replace(template / MODEL, FIELD, ADDED + FIELD)


def migration(template: Path, module: str) -> None:
    """Add a migration to a release: its module, and its entry in copier.yml."""
    (template / f"hooks/migrations/v{VERSION.replace('.', '_')}.py").write_text(module)
    add_migration(template, simulated.entry(VERSION))


def add_migration(template: Path, entry: dict[str, Any]) -> None:
    """Add an entry to the migrations in copier.yml."""
    text = indent(yaml.safe_dump([entry]), "  ")
    replace(template / "copier.yml", "\n_migrations:\n", f"\n_migrations:\n{text}")


def release(template: Path, target: Path, *changes: Callable[[Path], None]) -> Path:
    """Clone the template and add a release with these changes."""
    run("git", "clone", "--quiet", str(template), str(target), cwd=template)
    for change in changes:
        change(target)
    release_all(target, VERSION)
    return target


def move_to(project: Path, template: Path, repository: Path | None = None) -> None:
    """Let the project take its updates from another template, as after a move of the template; and commit."""
    answers = project / ".copier-answers.yml"
    lines = answers.read_text().splitlines()
    answers.write_text("".join(f"_src_path: {template}\n" if x.startswith("_src_path:") else f"{x}\n" for x in lines))
    rendering.commit(repository or project, "The template has moved")

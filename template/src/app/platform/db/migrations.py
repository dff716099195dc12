"""Run Alembic from inside the service. The migrations are in `migrations/`."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

_PACKAGE = Path(__file__).resolve().parents[2]
# A wheel has the migrations inside the package, a checkout has them beside `src/`. An editable install also copies them
# into site-packages, where they become outdated; paths relative to this file never find that copy.
_PACKED = _PACKAGE / "_alembic" / "alembic.ini"
_INI = _PACKED if _PACKED.is_file() else _PACKAGE.parents[1] / "alembic.ini"


def config() -> Config:
    """Return Alembic's configuration, whatever the working directory is."""
    return Config(_INI)


def forks() -> dict[str, list[str]]:
    """Return the newest revisions of each branch that has several, because two migrations follow the same one."""
    newest: dict[str, list[str]] = {}
    for script in ScriptDirectory.from_config(config()).get_revisions("heads"):
        for branch in script.branch_labels:
            newest.setdefault(branch, []).append(script.revision)
    return {branch: sorted(revisions) for branch, revisions in newest.items() if len(revisions) > 1}


def upgrade() -> None:
    """Apply the missing migrations of all branches; of several processes at once, one migrates and the others wait."""
    command.upgrade(config(), "heads")

"""Run Alembic from inside the service. The migrations are in `migrations/`."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import coerce_resource_to_filename

from app.platform.errors import StartupError

_PACKAGE = Path(__file__).resolve().parents[2]
# A wheel has the migrations inside the package, a checkout has them beside `src/`. An editable install also copies them
# into site-packages, where they become outdated; paths relative to this file never find that copy.
_PACKED = _PACKAGE / "_alembic" / "alembic.ini"
_INI = _PACKED if _PACKED.is_file() else _PACKAGE.parents[1] / "alembic.ini"


def config() -> Config:
    """Return Alembic's configuration, whatever the working directory is.

    Raises:
        StartupError: a directory in `version_locations` does not exist. Alembic would leave it out, and a database
            without its migrations would seem to be up to date.
    """
    found = Config(_INI)
    # a % in the path, such as Jenkins makes of a branch `feature/x`, would be taken for the beginning of a reference
    found.file_config.set("DEFAULT", "here", _INI.parent.as_posix().replace("%", "%%"))
    for location in found.get_version_locations_list() or ():
        if not Path(coerce_resource_to_filename(location)).is_dir():
            message = f"{_INI}: {location}, which `version_locations` names, is no directory"
            raise StartupError(message)
    return found


def forks() -> dict[str, list[str]]:
    """Return the newest revisions of each branch that has several, because two migrations follow the same one.

    Raises:
        StartupError: a directory of migrations does not exist.
    """
    newest: dict[str, list[str]] = {}
    for script in ScriptDirectory.from_config(config()).get_revisions("heads"):
        for branch in script.branch_labels:
            newest.setdefault(branch, []).append(script.revision)
    return {branch: sorted(revisions) for branch, revisions in newest.items() if len(revisions) > 1}


def upgrade() -> None:
    """Apply the missing migrations of all branches; of several processes at once, one migrates and the others wait.

    Raises:
        StartupError: a directory of migrations does not exist.
    """
    command.upgrade(config(), "heads")

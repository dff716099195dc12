"""Running Alembic from inside the service. The migrations themselves are in `migrations/`."""

from pathlib import Path

from alembic import command
from alembic.config import Config

_PACKAGE = Path(__file__).resolve().parents[2]
# A wheel carries its migrations in the package, a checkout has them beside `src/`. An editable install copies them into
# site-packages as well, where they would age: looking beside this file never finds that copy.
_PACKED = _PACKAGE / "_alembic" / "alembic.ini"
_INI = _PACKED if _PACKED.is_file() else _PACKAGE.parents[1] / "alembic.ini"


def config() -> Config:
    """Alembic's configuration, wherever the process was started."""
    return Config(_INI)


def upgrade() -> None:
    """Bring all branches of the schema up to date; of several processes at once, one does the work."""
    command.upgrade(config(), "heads")

"""Running Alembic from inside the service. The migrations themselves are in `migrations/`."""

from pathlib import Path

from alembic import command
from alembic.config import Config

_INI = Path(__file__).resolve().parents[3] / "alembic.ini"


def config() -> Config:
    """Alembic's configuration, wherever the process was started."""
    return Config(_INI)


def upgrade() -> None:
    """Bring all branches of the schema up to date; of several processes at once, one does the work."""
    command.upgrade(config(), "heads")

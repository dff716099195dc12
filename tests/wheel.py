"""Builds the wheel of a service, through its source distribution."""

import zipfile
from pathlib import Path

from tests.shell import run

MIGRATIONS = "app/_alembic/"


def migrations_inside(project: Path, place: Path) -> set[str]:
    """Return the migration files in the wheel, by their path in the project."""
    run("uv", "build", "--out-dir", str(place), cwd=project)
    (wheel,) = place.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    return {name.removeprefix(MIGRATIONS) for name in names if name.startswith(MIGRATIONS)}

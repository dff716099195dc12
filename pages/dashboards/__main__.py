"""Draws the dashboards: `python -m pages.dashboards DIRECTORY`."""

import sys
import tempfile
from pathlib import Path

from tests.rendering import snapshot
from tests.shell import CommandError
from tests.variants import ROOT


def main(target: Path) -> None:
    """Write a picture of each dashboard, with the name of its file."""
    sys.path.append(str(ROOT / "template"))
    from dev.errors import ServiceError  # noqa: PLC0415 - importable only now

    from pages.dashboards.crowd import pictures  # noqa: PLC0415
    from pages.dashboards.panels import PanelError  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="dashboards-", ignore_cleanup_errors=True) as name:
        place = Path(name).resolve()
        # the embedded PostgreSQL cannot run as root, and its user must be able to enter the directory
        place.chmod(0o755)
        try:
            drawn = pictures(snapshot(place / "template"), place)
        except (CommandError, PanelError, ServiceError, OSError) as error:
            sys.exit(f"The dashboards were not drawn: {error}")
    target.mkdir(parents=True, exist_ok=True)
    for stem, picture in drawn.items():
        (target / f"{stem}.svg").write_text(picture)
        sys.stdout.write(f"{target / stem}.svg\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m pages.dashboards DIRECTORY")
    main(Path(sys.argv[1]))

"""Lays the platform's own suite of tests over this service: those of the release that it was made from."""

import shutil
from pathlib import Path

from dev.template.errors import TemplateError
from dev.template.project import Project
from dev.template.source import clone_of

FOLDER = "tests/platform"
# the lines of this file: a file or folder of the suite, and the path that a service must have for it
NEEDS = "needs.txt"


def lay(project: Project) -> int:
    """Copy the suite into `tests/platform/`, which git ignores, and return 0.

    Raises:
        TemplateError: the release has no such suite, or `tests/platform/` is this service's own.
    """
    target = project.root / FOLDER
    if target.exists() and not (target / NEEDS).is_file():
        raise TemplateError(f"Nothing was done: {FOLDER}/ is a folder of this service. Rename it, then try again.")
    with clone_of(project) as source:
        release = source.release_of(project)
        shutil.rmtree(target, ignore_errors=True)
        if not source.copy(release, FOLDER, target):
            raise TemplateError(f"Nothing was done: {release} has no suite of its own.")
    for line in (target / NEEDS).read_text().splitlines():
        test, _, path = line.partition(" ")
        if not (project.root / path.strip()).exists():
            _remove(target / test)
    return 0


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

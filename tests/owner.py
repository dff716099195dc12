"""An owner who has worked on a service for a while: makes the edits, and tells whether they are all still there."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from tests import owner_before_0_4 as before
from tests.owner_edits import DELETED, EDITS, LATER
from tests.rendering import commit
from tests.shell import run
from tests.variants import ROOT

# what was added, at the paths it was added at
OWN_FILES = ROOT / "tests/owner_files"


def catch_up(project: Path) -> None:
    """Make the edits that could not be made in an earlier release."""
    for each in LATER:
        if each.after not in (project / each.path).read_text():
            each.apply(project)


def edit(project: Path) -> None:
    """Make all edits, as they were made in the release of the project."""
    shutil.copytree(OWN_FILES, project, dirs_exist_ok=True)
    old = not (project / "src/app/platform").is_dir()
    if old:
        shutil.copytree(before.OWN_FILES, project, dirs_exist_ok=True)
    for each in before.EDITS if old else (*EDITS, *LATER):
        each.apply(project)
    # without the sample there is none
    (project / (before.DELETED if old else DELETED)).unlink(missing_ok=True)


def work_on(project: Path) -> None:
    """Make all edits, and commit them as one would."""
    edit(project)
    commit(project, "Our own work")


def lost(project: Path) -> list[str]:
    """What is no longer as the owner left it; a line for each."""
    own = {path: str(path.relative_to(OWN_FILES)) for path in OWN_FILES.rglob("*") if path.is_file()}
    files = [f"{name} is not as it was" for path, name in own.items() if _text(project / name) != path.read_text()]
    edits = [
        f"{each.path} lost:\n{each.after}" for each in (*EDITS, *LATER) if each.after not in _text(project / each.path)
    ]
    return files + edits + ([f"{DELETED} is back"] if (project / DELETED).exists() else [])


def sign(project: Path) -> None:
    """Leave a signature in each file: an edit wherever one can be made."""
    for path in tracked(project):
        file = project / path
        if path != ".copier-answers.yml":
            file.write_text(f"{file.read_text()}# {signature(path)}\n")
    commit(project, "Signed everywhere")


def signature(path: str) -> str:
    """What stands in a file that was signed under this path."""
    return f"signed: {path} :"


def tracked(project: Path) -> list[str]:
    """The paths that are committed."""
    return run("git", "ls-files", cwd=project).splitlines()


def unmerged(project: Path) -> list[str]:
    """The paths that wait for somebody to resolve a conflict."""
    marked = run("git", "diff", "--name-only", "--diff-filter=U", cwd=project).splitlines()
    rejected = run("git", "ls-files", "--others", "--", "*.rej", cwd=project).splitlines()
    return sorted({*marked, *rejected})


def contents(project: Path) -> Mapping[str, bytes]:
    """What git would keep of the working tree, by path."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=project).split("\0")
    return {
        path: (project / path).read_bytes() for path in sorted(filter(None, set(listed))) if (project / path).is_file()
    }


def _text(file: Path) -> str:
    return file.read_text() if file.is_file() else ""

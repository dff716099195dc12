"""Puts the owner's edits aside when their file is removed, and merges them back when the file returns."""

import difflib
import re
from pathlib import Path

from dev.template.import_lines import merge_again
from dev.template.merge import Merge, lines_of, merge_into
from dev.template.project import Project

FOLDER = "kept-edits"
ABOUT = """\
# Edits put aside

A release or a changed answer removed these files, although you had edited them. For each file there is your version
(`.mine`), the template's version (`.template`) and the difference (`.diff`). Port what you still need, then delete
this folder. If a file returns, for example because the answer is changed back, your edits are merged into it.
"""
LABELS = ("-L", "template", "-L", "when put aside", "-L", "yours")


def keep(merge: Merge) -> list[str]:
    """Put aside the edits in removed files, except files that a migration moved; return the paths."""
    moved = merge.project.noted("moved")
    gone = [path for path in merge.gone() if path not in moved]
    edited = [path for path in gone if lines_of(merge.before[path]) != lines_of(merge.base[path])]
    for path in edited:
        _put_aside(merge.project.root / FOLDER, path, merge.before[path], merge.base[path])
    return edited


def _put_aside(folder: Path, path: str, mine: bytes, template: bytes) -> None:
    """Write the three files, without overwriting edits that were put aside earlier."""
    number, name = 1, path
    while (folder / f"{name}.mine").exists():
        number, name = number + 1, f"{path}~{number + 1}"
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(ABOUT)
    (folder / f"{name}.mine").write_bytes(mine)
    (folder / f"{name}.template").write_bytes(template)
    before, after = (content.decode(errors="replace").splitlines(keepends=True) for content in (template, mine))
    difference = difflib.unified_diff(before, after, f"template/{path}", f"project/{path}")
    (folder / f"{name}.diff").write_text("".join(difference), encoding="utf-8")


def put_back(project: Project) -> tuple[list[str], list[str]]:
    """Merge edits into files that returned; return the paths that merged and the paths that conflict."""
    merged: list[str] = []
    conflicting: list[str] = []
    folder, tracked = project.root / FOLDER, project.tracked()
    for mine in sorted(folder.rglob("*.mine")):
        name = mine.relative_to(folder).as_posix().removesuffix(".mine")
        path = re.sub(r"~\d+$", "", name)
        if (project.root / path).is_file() and path not in tracked:
            (merged if _merge_back(project, path, name) else conflicting).append(path)
    _tidy(folder)
    return merged, conflicting


def _merge_back(project: Project, path: str, name: str) -> bool:
    """Merge the edits into the file that returned; delete the copies if there was no conflict."""
    place, folder = project.root / path, project.root / FOLDER
    mine, template = folder / f"{name}.mine", folder / f"{name}.template"
    if not template.is_file():
        return False
    base, edited, new = template.read_bytes(), mine.read_bytes(), place.read_bytes()
    if not merge_into(place, base, edited, LABELS) and not merge_again(place, base, edited, new):
        project.stage_conflict(path, base, edited, new)
        return False
    for part in (mine, template, folder / f"{name}.diff"):
        part.unlink(missing_ok=True)
    return True


def _tidy(folder: Path) -> None:
    """Remove empty folders, and the README when no edits are left."""
    if not any(folder.rglob("*.mine")):
        (folder / "README.md").unlink(missing_ok=True)
    for empty in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        if not any(empty.iterdir()):
            empty.rmdir()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()

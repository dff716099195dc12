"""Edits in files that a change of the template removes: put aside, and back when the files return."""

import subprocess
import tempfile
from pathlib import Path

from dev.template.project import ANSWERS, Project

FOLDER = "kept-edits"
ABOUT = """\
# Edits put aside

A release or an answer of the template removed the files below, and you had changed them. For each there is your
version (`.mine`) and what you had changed in it (`.diff`). Port what you still need, then delete this folder.
Whatever is still here when its file returns, because the answer is changed back, is merged into it.
"""


def files_of(folder: Path) -> list[str]:
    """The paths of all files below a folder, relative to it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def gone(project: Project, base: Path) -> list[str]:
    """The files of a rendering that the last commit has and the working tree no longer has."""
    missing = [path for path in files_of(base) if path != ANSWERS and not (project.root / path).exists()]
    return [path for path in missing if project.committed(path) is not None]


def keep(project: Project, base: Path) -> list[str]:
    """Put aside those that differ from the rendering, but not what a migration moved; return their paths."""
    kept = []
    moved = project.moved.read_text().splitlines() if project.moved.exists() else []
    for path in [path for path in gone(project, base) if path not in moved]:
        mine = project.committed(path) or b""
        if mine == (base / path).read_bytes():
            continue
        aside = project.root / FOLDER / path
        aside.parent.mkdir(parents=True, exist_ok=True)
        (project.root / FOLDER / "README.md").write_text(ABOUT)
        aside.with_name(f"{aside.name}.mine").write_bytes(mine)
        aside.with_name(f"{aside.name}.diff").write_bytes(_diff(base / path, mine, path))
        kept.append(path)
    return kept


def _diff(template: Path, mine: bytes, path: str) -> bytes:
    with tempfile.TemporaryDirectory() as name:
        before, after = Path(name, "a", path), Path(name, "b", path)
        for file, content in {before: template.read_bytes(), after: mine}.items():
            file.parent.mkdir(parents=True)
            file.write_bytes(content)
        # not by `git()`: it ends with 1 when there is a difference
        command = [
            "git",
            "diff",
            "--no-index",
            "--no-prefix",
            "--no-color",
            "--no-ext-diff",
            "--binary",
            f"a/{path}",
            f"b/{path}",
        ]
        return subprocess.run(command, cwd=name, capture_output=True, check=False).stdout


def put_back(project: Project) -> tuple[list[str], list[str]]:
    """Merge what was put aside into files that are back; return the paths that merged, and those that conflict."""
    merged: list[str] = []
    conflicting: list[str] = []
    for mine in sorted((project.root / FOLDER).rglob("*.mine")):
        path = mine.relative_to(project.root / FOLDER).as_posix().removesuffix(".mine")
        if (project.root / path).is_file() and project.committed(path) is None:
            (merged if _merge(project.root / path, mine, path) else conflicting).append(path)
    _tidy(project.root / FOLDER)
    return merged, conflicting


def _merge(fresh: Path, mine: Path, path: str) -> bool:
    """Merge three ways into the fresh file; the kept pair is deleted when all went well."""
    diff = mine.with_name(mine.name.removesuffix(".mine") + ".diff")
    with tempfile.TemporaryDirectory() as name:
        base = Path(name, path)
        base.parent.mkdir(parents=True)
        base.write_bytes(mine.read_bytes())
        # what the template had then: my version without my changes
        subprocess.run(["git", "apply", "-p1", "--reverse", diff], cwd=name, capture_output=True, check=True)
        labels = ("-L", "template", "-L", "when put aside", "-L", "yours")
        done = subprocess.run(["git", "merge-file", *labels, fresh, base, mine], capture_output=True, check=False)
    if done.returncode == 0:
        mine.unlink()
        diff.unlink()
    return done.returncode == 0


def _tidy(folder: Path) -> None:
    """Remove what holds nothing any more."""
    if not any(folder.rglob("*.mine")):
        (folder / "README.md").unlink(missing_ok=True)
    for empty in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        if not any(empty.iterdir()):
            empty.rmdir()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()

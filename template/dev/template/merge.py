"""Compares the project before and after Copier's merge, and corrects the result."""

import subprocess
import tempfile
from pathlib import Path

from dev.template.errors import TemplateError
from dev.template.project import ANSWERS, Project

HISTORY = "migrations/service/"
LABELS = ("-L", "before updating", "-L", "last update", "-L", "after updating")


def files_of(folder: Path) -> list[str]:
    """Return the relative paths of all files below a folder, except the answers file."""
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in paths if path != ANSWERS)


def read(folder: Path) -> dict[str, bytes]:
    """Return the content of each file below a folder, except the answers file."""
    return {path: (folder / path).read_bytes() for path in files_of(folder)}


class Merge:
    """A merge into a project: `base` renders its current release and answers, `new` the wanted ones."""

    def __init__(self, project: Project, base: Path, new: Path) -> None:
        self.project = project
        self.base = read(base)
        self.new = read(new)
        places = {path: project.root / path for path in self.base.keys() | self.new.keys()}
        self.before = {path: place.read_bytes() for path, place in places.items() if place.is_file()}
        self._special = {path for path, place in places.items() if place.is_symlink() or place.is_dir()}

    def require_safety(self) -> None:
        """Make sure that git can restore every file that the merge may change.

        Raises:
            TemplateError: git ignores some of these files.
        """
        came = self.new.keys() - self.base.keys()
        if ignored := self.project.ignored(self.before.keys() | came):
            listed = "".join(f"\n  {path}" for path in ignored)
            raise TemplateError(
                "Nothing was done: git ignores these paths, at which the template has files. It could neither restore "
                "yours nor commit new ones. Correct .gitignore (`git check-ignore -v FILE` names the line); `git add "
                f"--force` and commit files of yours, or move them away:{listed}"
            )

    def found(self) -> set[str]:
        """Return the paths at which the project had regular files, not links or folders."""
        return self.before.keys() - self._special

    def gone(self) -> list[str]:
        """Return the template's files that the project had before the merge and no longer has."""
        return sorted(path for path in self.base.keys() & self.before.keys() if self._now(path) is None)

    def settle(self) -> list[str]:
        """Correct what Copier's merge loses; return the paths that conflict.

        A file that the template did not change gets exactly the owner's bytes; a file that the owner deleted stays
        deleted. Copier drops bytes that are not UTF-8, and takes each line with a Windows line end for a changed one,
        so such files are merged here. What a migration has merged is left alone: it may have rewritten the owner's
        imports where the template's text is the same.
        """
        conflicts = []
        for path in sorted((self.base.keys() & self.new.keys()) - self._special - self.project.noted("merged")):
            mine, place = self.before.get(path), self.project.root / path
            if mine is None:
                place.unlink(missing_ok=True)
            elif self.base[path] == self.new[path]:
                if self._now(path) != mine:
                    place.write_bytes(mine)
            elif mine != self.base[path] and not _is_plain(mine) and not self._merge_bytes(path, mine):
                conflicts.append(path)
        return conflicts

    def keep_history(self) -> list[str]:
        """Put back the service's migrations that the merge removed; return their paths.

        A database may have been migrated by them, and migrations of the owner's may follow them.
        """
        removed = [path for path in self.gone() if path.startswith(HISTORY)]
        for path in removed:
            (self.project.root / path).write_bytes(self.before[path])
        return removed

    def revived(self) -> list[str]:
        """Return new files in folders from which the owner had deleted all of the template's files."""
        came = [path for path in self.new.keys() - self.base.keys() - self.before.keys() if self._now(path) is not None]
        folders = {str(Path(path).parent) for path in self.base}
        kept = {str(Path(path).parent) for path in self.base.keys() & self.before.keys()}
        return sorted(path for path in came if str(Path(path).parent) in folders - kept)

    def _now(self, path: str) -> bytes | None:
        place = self.project.root / path
        return place.read_bytes() if place.is_file() else None

    def _merge_bytes(self, path: str, mine: bytes) -> bool:
        place = self.project.root / path
        place.write_bytes(mine)
        base, new = written_like(mine, self.base[path], self.new[path])
        if not merge_into(place, base, new):
            self.project.stage_conflict(path, base, mine, new)
            return False
        self.project.clear_conflict(path)
        return True


def lines_of(content: bytes) -> bytes:
    """Return the content with Unix line ends, because git may have checked it out with others."""
    return content.replace(b"\r\n", b"\n")


def written_like(mine: bytes, *others: bytes) -> list[bytes]:
    """Return the others with Windows line ends if all of mine are such: Copier renders without them."""
    ends = mine.count(b"\n")
    if not ends or mine.count(b"\r\n") < ends:
        return list(others)
    return [lines_of(each).replace(b"\n", b"\r\n") for each in others]


def _is_plain(content: bytes) -> bool:
    """Return whether a text is UTF-8 without Windows line ends."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return b"\r\n" not in content


def merge_into(place: Path, base: bytes, other: bytes, labels: tuple[str, ...] = LABELS) -> bool:
    """Merge three ways into a file; return False if it now has conflict markers, or cannot be merged by lines."""
    with tempfile.TemporaryDirectory() as name:
        Path(name, "base").write_bytes(base)
        Path(name, "other").write_bytes(other)
        command = ["git", "merge-file", *labels, str(place), str(Path(name, "base")), str(Path(name, "other"))]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

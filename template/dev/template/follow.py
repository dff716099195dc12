"""Merges the template's changes into files that the owner renamed; writes what it cannot merge to `left-out/`."""

import subprocess
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

from dev.template.errors import TemplateError
from dev.template.import_lines import merge_again
from dev.template.merge import Merge, merge_into, written_like
from dev.template.project import Project
from dev.template.renames import History

LEFT_OUT = "left-out"


def folder_of(path: str) -> str:
    """Return the folder of a file."""
    return Path(path).parent.as_posix()


def require_place(project: Project) -> None:
    """Make sure that `left-out/` can be written and committed.

    Raises:
        TemplateError: there is a file of that name, or git ignores it.
    """
    place = project.root / LEFT_OUT
    ignored = ["git", "check-ignore", "--quiet", f"{LEFT_OUT}/a.py.diff"]
    if (place.exists() and not place.is_dir()) or not subprocess.run(ignored, cwd=project.root, check=False).returncode:
        raise TemplateError(
            f"Nothing was done: changes that cannot be merged are written to {LEFT_OUT}/, but there is a file of that "
            "name, or git ignores it. Rename the file, or correct .gitignore."
        )


class Follow:
    """Follows the owner's renames and deletions in a merge that Copier has done."""

    def __init__(self, merge: Merge, history: History) -> None:
        self._merge = merge
        self._root = merge.project.root
        self._renamed = history.renamed
        missing = merge.base.keys() - merge.found()
        self._kept_folders = {folder_of(path) for path in [*(merge.base.keys() & merge.found()), *history.renamed]}
        self._changed = {path for path in merge.base.keys() & merge.new.keys() if merge.base[path] != merge.new[path]}
        given_up = self._deleted_folders(history)
        self.left_out = sorted((self._changed & missing) - history.renamed.keys() - given_up)
        self.given_up = sorted(self._changed & given_up)
        self.conflicts: list[str] = []
        self._placed: set[str] = set()

    def _deleted_folders(self, history: History) -> set[str]:
        """Return the deleted files whose folders have no template file left, as when a feature is removed."""
        gone = {folder_of(path) for path in history.deleted} - self._kept_folders
        return {path for path in history.deleted | history.unknown if folder_of(path) in gone}

    def into_renamed_files(self) -> list[str]:
        """Merge the template's changes into renamed files; return a line for each."""
        done = []
        for path in sorted(self._changed & self._renamed.keys()):
            now = self._renamed[path]
            if self._merge_into(self._root / now, path):
                done.append(f"{path} → {now}")
        return done

    def _merge_into(self, place: Path, path: str) -> bool:
        """Merge the change of one file; record a conflict or a change that is left out, and return False for either."""
        base, new = self._merge.base[path], self._merge.new[path]
        now = place.relative_to(self._root).as_posix()
        is_mergeable = place.is_file() and not place.is_symlink() and now not in self._merge.project.conflicts()
        mine = place.read_bytes() if is_mergeable else b""
        base, new = written_like(mine, base, new)
        if mine == base:
            place.write_bytes(new)
        elif not mine or any(b"\0" in content for content in (mine, base, new)):
            self.left_out.append(path)
            return False
        elif not merge_into(place, base, new) and not merge_again(place, base, mine, new):
            self._merge.project.stage_conflict(now, base, mine, new)
            self.conflicts.append(now)
            return False
        return True

    def into_renamed_folders(self) -> list[str]:
        """Move new files into folders that the owner renamed; return a line for each."""
        done = []
        for path in sorted(self._merge.new.keys() - self._merge.base.keys() - self._merge.project.tracked()):
            place, now = self._root / path, self._place_of(path)
            if not now or not place.is_file():
                continue
            if (self._root / now).exists():
                done.append(f"{path}: not moved, compare it with your {now}")
                continue
            (self._root / now).parent.mkdir(parents=True, exist_ok=True)
            place.rename(self._root / now)
            self._placed.add(path)
            with suppress(OSError):
                # rmdir refuses folders that are not empty
                for folder in list(place.parents)[: len(Path(path).parents) - 1]:
                    folder.rmdir()
            done.append(f"{path} → {now}")
        return done

    def _place_of(self, path: str) -> str:
        """Return the path of a new file in a renamed folder; empty if none of its folders was renamed.

        A folder counts as renamed if most of its files moved to the same other folder, and none of them stayed.
        """
        for folder in Path(path).parents:
            name = folder.as_posix()
            files = [each for each in self._merge.base if folder_of(each) == name]
            moves = Counter(folder_of(self._renamed[each]) for each in files if each in self._renamed)
            to, count = (moves.most_common(1) or [("", 0)])[0]
            if (
                to not in {"", name}
                and count > len(files) / 2
                and not any(each in self._merge.before for each in files)
            ):
                return (Path(to) / Path(path).relative_to(folder)).as_posix()
        return ""

    def old_names(self) -> list[str]:
        """Return the old paths of renamed and moved files, because the template's text may still import them."""
        return sorted(self._renamed.keys() | self._placed)

    def gone(self) -> list[str]:
        """Return the files that the owner renamed and the template removed or moved."""
        return [f"{path} → {now}" for path, now in sorted(self._renamed.items()) if path not in self._merge.new]

    def keep(self) -> list[str]:
        """Write the changes that were left out to `left-out/`; return the paths of their files."""
        for path in self.left_out:
            base, new = self._merge.base[path], self._merge.new[path]
            binary = b"\0" in base + new
            kept = self._root / LEFT_OUT / (path if binary else f"{path}.diff")
            kept.parent.mkdir(parents=True, exist_ok=True)
            with kept.open("wb" if binary else "ab") as file:
                file.write(new if binary else _difference(path, base, new))
        return sorted(self.left_out)


def _difference(path: str, before: bytes, after: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as name:
        for folder, content in {"before": before, "after": after}.items():
            file = Path(name, folder, path)
            file.parent.mkdir(parents=True)
            file.write_bytes(content)
        command = ["git", "diff", "--no-index", "--no-prefix", "--no-ext-diff", "--no-color", "before", "after"]
        return subprocess.run(command, cwd=name, capture_output=True, check=False).stdout

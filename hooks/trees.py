"""Trees: the files of a project by path, as a release renders them or as the project's git has them."""

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

from hooks.errors import MigrationError
from hooks.git import git

REGULAR, EXECUTABLE, LINK = "100644", "100755", "120000"


@dataclass(frozen=True)
class File:
    """A file of a tree: git's mode, the path before any step, and how to read the content."""

    mode: str
    origin: str
    read: Callable[[], bytes]

    @cached_property
    def content(self) -> bytes:
        """The bytes of the file, or the target of a symbolic link."""
        return self.read()

    def holding(self, content: bytes) -> "File":
        """Return the same file with another content."""
        return replace(self, read=lambda: content)

    def same(self, other: "File | None") -> bool:
        """Return whether both files have the same mode and content."""
        return other is not None and self.mode == other.mode and self.content == other.content


Tree = dict[str, File]


def below(tree: Tree, place: str) -> list[str]:
    """Return the path of a file, or the paths of all files below a directory."""
    return [path for path in tree if path == place or path.startswith(f"{place}/")]


def module_of(path: str) -> str:
    """Return the dotted name of a file; that of a package if it is its `__init__.py`."""
    return path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def committed(project: Path) -> Tree:
    """Return what HEAD holds of the project, which may be a part of its repository; read it when it is asked for."""
    listed: list[tuple[str, str, str]] = []
    for line in git("ls-tree", "-r", "-z", "HEAD", cwd=project).decode(errors="surrogateescape").split("\0"):
        entry, _, path = line.partition("\t")
        if path and (parts := entry.split())[1] == "blob":
            listed.append((path, parts[0], parts[2]))
    read = cache(partial(_blobs, project, [name for _, _, name in listed]))

    def content(name: str) -> bytes:
        return read()[name]

    return {path: File(mode, path, partial(content, name)) for path, mode, name in listed}


def _blobs(project: Path, names: list[str]) -> dict[str, bytes]:
    """Return the content of blobs by their names; one process of git reads them all."""
    wanted = list(dict.fromkeys(names))
    output = git("cat-file", "--batch", cwd=project, given="".join(f"{name}\n" for name in wanted).encode())
    found: dict[str, bytes] = {}
    at = 0
    for name in wanted:
        # a line with name, type and size; the content; the end of a line
        end = output.index(b"\n", at)
        size = int(output[at:end].split()[2])
        found[name] = output[end + 1 : end + 1 + size]
        at = end + 1 + size + 1
    return found


def rendered(template: Path, version: str, answers: Mapping[str, Any]) -> Tree:
    """Render a version of the template with these answers, and return its files.

    Raises:
        MigrationError: the version cannot be rendered with these answers.
    """
    import copier  # noqa: PLC0415 - takes most of the time of a stage that renders nothing

    with tempfile.TemporaryDirectory(prefix="migration-render-", ignore_cleanup_errors=True) as directory:
        target, settings = Path(directory, "project"), Path(directory, "settings.yml")
        settings.write_text("{}\n")
        # the developer's own defaults must not become answers of the project
        os.environ["COPIER_SETTINGS_PATH"] = str(settings)
        given = {name: answer for name, answer in answers.items() if not name.startswith("_")}
        try:
            copier.run_copy(str(template), target, given, vcs_ref=version, defaults=True, quiet=True, skip_tasks=True)
        except Exception as error:
            reason = " ".join(str(error).split())
            raise MigrationError(
                f"version {version} cannot be rendered with the project's answers: {reason}"
            ) from error
        return {
            path.relative_to(target).as_posix(): _read(path, target)
            for path in sorted(target.rglob("*"))
            if _is_file(path)
        }


def _is_file(path: Path) -> bool:
    return path.is_symlink() or path.is_file()


def _read(path: Path, root: Path) -> File:
    origin = path.relative_to(root).as_posix()
    if path.is_symlink():
        content, mode = os.fsencode(path.readlink()), LINK
    else:
        content, mode = path.read_bytes(), EXECUTABLE if path.stat().st_mode & 0o100 else REGULAR
    return File(mode, origin, lambda: content)

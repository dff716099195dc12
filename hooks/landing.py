"""Writes the result of the steps into the project's working tree, and conflicts into git's index."""

import os
from pathlib import Path

from hooks.git import git
from hooks.merge import Outcome, merge
from hooks.trees import EXECUTABLE, LINK, File, below
from hooks.update import Update


def land(update: Update) -> None:
    """Merge and write every path that a step touched. Nothing is staged; Copier stages nothing either."""
    outcomes = {path: merge(*_versions(update, path)) for path in sorted(update.touched)}
    for path in list(outcomes):
        _bring_home(update, outcomes, path)
    for path, outcome in outcomes.items():
        if outcome.file is None:
            _remove(update, path)
    for path, outcome in outcomes.items():
        if outcome.file is not None:
            _write(update.project / path, outcome.file)
            _report(update, path, outcome)
    _mark(update, outcomes)
    moved = {outcome.file.origin for path, outcome in outcomes.items() if outcome.file and outcome.file.origin != path}
    _note(update, "template-moved", moved & update.head.keys())
    _note(update, "template-merged", update.touched)


def _note(update: Update, name: str, paths: set[str]) -> None:
    """Tell `make template-update` which files moved with their edits, or are merged (dev/template/project.py)."""
    note = git("rev-parse", "--git-path", name, cwd=update.project).decode().strip()
    lines = "".join(f"{path}\n" for path in sorted(paths))
    (update.project / note).write_text(lines, encoding="utf-8", errors="surrogateescape")


def _versions(update: Update, path: str) -> tuple[File | None, File | None, File | None]:
    return update.base.get(path), update.mine.get(path), update.new.get(path)


def _bring_home(update: Update, outcomes: dict[str, Outcome], path: str) -> None:
    """Move a file back if a step moved it to a path that the new version lacks: the owner would not look there."""
    mine = update.mine.get(path)
    if mine is None or not _is_stranded(update, path, mine):
        return
    home = mine.origin if outcomes[mine.origin].file is None else path
    if home != path:
        outcomes[home], outcomes[path] = outcomes[path], Outcome(None)
    if path in update.base:
        reason = update.reasons.get(home, f"the new version has no {path}")
        update.say(f"{home}: stays, with your edits, since {reason}")


def _is_stranded(update: Update, path: str, mine: File) -> bool:
    if path in update.new:
        return False
    if path in update.base:
        return not mine.same(update.base[path])
    return path in update.follows and not below(update.new, update.follows[path])


def _remove(update: Update, path: str) -> None:
    """Remove a file that git or the template can restore, and the directories that become empty."""
    place, new = update.project / path, update.new.get(path)
    Path(f"{place}.rej").unlink(missing_ok=True)
    known = path in update.head or (new and place.is_file() and place.read_bytes() == new.content)
    if known and (place.is_file() or place.is_symlink()):
        place.unlink()
    for directory in place.relative_to(update.project).parents:
        try:
            (update.project / directory).rmdir()
        except OSError:
            break


def _write(place: Path, file: File) -> None:
    Path(f"{place}.rej").unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    # replace a symbolic link; writing through it would change its target
    if place.is_symlink() or file.mode == LINK:
        place.unlink(missing_ok=True)
    if file.mode == LINK:
        place.symlink_to(os.fsdecode(file.content))
        return
    if not place.is_file() or place.read_bytes() != file.content:
        place.write_bytes(file.content)
    mode = place.stat().st_mode & 0o7777
    # executable for everybody who may read the file
    place.chmod(mode | (mode & 0o444) >> 2 if file.mode == EXECUTABLE else mode & ~0o111)


def _report(update: Update, path: str, outcome: Outcome) -> None:
    file = outcome.file
    if outcome.conflict:
        update.say(f"{path}: your edits and the new version conflict; git status lists it")
    elif file and path in update.mine and file.origin != path and not file.same(update.new.get(path)):
        update.say(f"{path}: was {file.origin}, {'with your edits' if path in update.base else 'your own file'}")


def _mark(update: Update, outcomes: dict[str, Outcome]) -> None:
    """Record conflicts in the index as `git merge` does, and clear the conflicts of Copier's that are resolved."""
    listed = git("ls-files", "--unmerged", "-z", cwd=update.project).decode(errors="surrogateescape").split("\0")
    unmerged = {line.partition("\t")[2] for line in listed}
    prefix = git("rev-parse", "--show-prefix", cwd=update.project).decode(errors="surrogateescape").strip("\n")
    nothing = f"0 {'0' * len(git('rev-parse', 'HEAD', cwd=update.project).strip())}"
    lines: list[str] = []
    for path, outcome in outcomes.items():
        if outcome.conflict or path in unmerged:
            staged = {0: update.head.get(path)}
            if outcome.conflict:
                staged = dict(enumerate(_versions(update, path), start=1))
            entries = [_entry(update, file, stage) for stage, file in staged.items() if file]
            lines += [f"{entry}\t{prefix}{path}\0" for entry in (nothing, *entries)]
    if lines:
        git(
            "update-index",
            "-z",
            "--index-info",
            cwd=update.project,
            given="".join(lines).encode(errors="surrogateescape"),
        )


def _entry(update: Update, file: File, stage: int) -> str:
    return f"{file.mode} {_hash(update, file.content)} {stage}"


def _hash(update: Update, content: bytes) -> str:
    return git("hash-object", "-w", "--stdin", cwd=update.project, given=content).decode().strip()

"""Reads the state of this project from git and from Copier's answers file."""

import os
import subprocess
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from dev.template.errors import TemplateError

ANSWERS = ".copier-answers.yml"
UNDO_COMMAND = "git reset --hard && git clean -df"
UNDO = f"To undo it: {UNDO_COMMAND}"


def git(*arguments: str | Path, cwd: Path, given: bytes = b"") -> bytes:
    """Run git with some input, and return what it printed.

    Raises:
        TemplateError: git is missing, or failed.
    """
    try:
        done = subprocess.run(["git", *arguments], cwd=cwd, input=given or None, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise TemplateError("git is not installed: updates of the template are merged with git.") from error
    if done.returncode != 0:
        raise TemplateError(f"git {arguments[0]} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


class Project:
    """A rendered project; its directory may be a part of a larger repository."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def remembered(self) -> dict[str, Any]:
        """The content of the answers file: the answers, `_src_path` and `_commit`.

        Raises:
            TemplateError: the file cannot be read, or does not name the template and its commit.
        """
        try:
            found = yaml.safe_load((self.root / ANSWERS).read_bytes())
        except (OSError, yaml.YAMLError) as error:
            raise TemplateError(f"{ANSWERS} cannot be read, so the template is not known: {error}") from error
        if not isinstance(found, dict) or not {"_src_path", "_commit"} <= found.keys():
            raise TemplateError(f"{ANSWERS} does not say from which commit of which template this project was made.")
        return found

    @property
    def answers(self) -> dict[str, Any]:
        """The answer to each question."""
        return {name: value for name, value in self.remembered.items() if not name.startswith("_")}

    def noted(self, note: str) -> set[str]:
        """Return the paths in a note of the release's migrations: those they `moved` with edits, or `merged`."""
        place = self._in_git(f"template-{note}")
        text = place.read_text(encoding="utf-8", errors="surrogateescape") if place.exists() else ""
        return set(text.splitlines())

    def forget(self) -> None:
        """Remove the notes of an earlier merge."""
        for note in ("moved", "merged"):
            self._in_git(f"template-{note}").unlink(missing_ok=True)

    def begin(self, what: str) -> None:
        """Record the merge and the current commit, so that a later run can tell if this one did not finish."""
        self._unfinished.write_bytes(self._head() + what.encode())

    def end(self) -> None:
        """Remove the record: the merge is complete, or changed nothing."""
        self._unfinished.unlink(missing_ok=True)

    def unfinished_merge(self) -> str:
        """Return what an earlier run was merging when it stopped half-way; empty if there was no such run."""
        head, text = self._head(), self._unfinished.read_bytes() if self._unfinished.exists() else b""
        return text.removeprefix(head).decode() if text.startswith(head) else ""

    @property
    def _unfinished(self) -> Path:
        return self._in_git("template-unfinished")

    def _head(self) -> bytes:
        return git("rev-parse", "HEAD", cwd=self.root)

    def _in_git(self, name: str) -> Path:
        return self.root / git("rev-parse", "--git-path", name, cwd=self.root).decode().strip()

    def require_clean(self) -> None:
        """Make sure that git can restore everything.

        Raises:
            TemplateError: there is no repository, no commit, or something is not committed.
        """
        try:
            git("rev-parse", "--verify", "--quiet", "HEAD", cwd=self.root)
        except TemplateError as error:
            if "git is not installed" in str(error):
                raise
            raise TemplateError(
                "This project has no commit to go back to: `git init`, add and commit everything, then try again."
            ) from error
        changes = self.changes()
        if not changes:
            self.end()
        elif what := self.unfinished_merge():
            raise TemplateError(
                f"Nothing was done: an earlier run did not finish merging {what}, and there are uncommitted changes.\n"
                f"If they are from that run, undo it: {UNDO_COMMAND}. If they are yours, commit or stash them.\n"
                f"{changes}"
            )
        else:
            raise TemplateError(
                f"Nothing was done: commit or stash your changes first, to be able to go back.\n{changes}"
            )

    def changes(self) -> str:
        """Return git's list of uncommitted changes; empty if there are none."""
        return git("status", "--porcelain", cwd=self.root).decode(errors="replace").rstrip()

    def tracked(self) -> set[str]:
        """Return the paths in the last commit."""
        listed = git("ls-tree", "-r", "-z", "--name-only", "HEAD", cwd=self.root)
        return {name.decode(errors="surrogateescape") for name in listed.split(b"\0") if name}

    def files(self) -> set[str]:
        """Return the paths of the working tree, without those that git ignores."""
        listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=self.root)
        names = (name.decode(errors="surrogateescape") for name in listed.split(b"\0") if name)
        return {name for name in names if (self.root / name).is_file()}

    def conflicts(self) -> list[str]:
        """Return the files that git could not merge, and the `.rej` files that Copier wrote."""
        unmerged = git("diff", "--name-only", "--relative", "--diff-filter=U", "-z", cwd=self.root)
        names = {name.decode(errors="surrogateescape") for name in unmerged.split(b"\0") if name}
        rejected = {f"{path}.rej" for path in self.tracked() if (self.root / f"{path}.rej").is_file()}
        return sorted(names | (rejected - self.tracked()))

    def ignored(self, paths: Iterable[str]) -> list[str]:
        """Return those of the paths that git ignores, whether they exist or not."""
        command = ["git", "check-ignore", "-z", "--stdin"]
        # git refuses what is beyond a symbolic link, and does not track it either
        direct = (path for path in paths if not any((self.root / each).is_symlink() for each in Path(path).parents))
        given = b"".join(os.fsencode(path) + b"\0" for path in direct)
        # its status is 1 if there are none
        done = subprocess.run(command, cwd=self.root, input=given, capture_output=True, check=False)
        if done.returncode > 1:
            raise TemplateError(f"git check-ignore failed: {done.stderr.decode(errors='replace').strip()}")
        return sorted(os.fsdecode(name) for name in done.stdout.split(b"\0") if name)

    def stage_conflict(self, path: str, base: bytes, mine: bytes, new: bytes) -> None:
        """Record a conflict in git's index as a merge does, so that `git status` lists it and no commit skips it."""
        place = git("rev-parse", "--show-prefix", cwd=self.root).strip(b"\n") + os.fsencode(path)
        mode = b"100755" if os.access(self.root / path, os.X_OK) else b"100644"
        store = ("hash-object", "-w", "--stdin", f"--path={path}")
        blobs = [git(*store, cwd=self.root, given=each).strip() for each in (base, mine, new)]
        entries = [b"0 " + b"0" * len(blobs[0]), *(b"%b %b %d" % (mode, blob, n) for n, blob in enumerate(blobs, 1))]
        lines = b"".join(entry + b"\t" + place + b"\0" for entry in entries)
        git("update-index", "-z", "--index-info", cwd=self.root, given=lines)

    def clear_conflict(self, path: str) -> None:
        """Make a path that was merged after all as any other changed one: not in conflict, not staged."""
        git("reset", "--quiet", "--", path, cwd=self.root)

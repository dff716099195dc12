"""This project as git and Copier know it."""

import subprocess
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from dev.template.errors import TemplateError

ANSWERS = ".copier-answers.yml"
GIVE_UP = "git reset --hard && git clean -df"
UNDO = f"To give it up: {GIVE_UP}"


def git(*arguments: str | Path, cwd: Path, environment: Mapping[str, str] | None = None) -> bytes:
    """Run git and return what it printed.

    Raises:
        TemplateError: git is missing, or did not do it.
    """
    try:
        done = subprocess.run(["git", *arguments], cwd=cwd, env=environment, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise TemplateError("git is not installed: updates of the template are merged by it.") from error
    if done.returncode != 0:
        raise TemplateError(f"git {arguments[0]} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


class Project:
    """A rendered project, in the directory it lies in; it may be a part of a larger repository."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def remembered(self) -> dict[str, Any]:
        """All that Copier wrote down: the answers, and `_src_path` and `_commit`.

        Raises:
            TemplateError: it wrote down nothing.
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
        """The answers by question."""
        return {name: value for name, value in self.remembered.items() if not name.startswith("_")}

    @property
    def moved(self) -> Path:
        """Where the migrations of a release write the old paths of the files they moved."""
        return self._in_git("template-moved")

    def begin(self, what: str) -> None:
        """Write down what is merged into which commit, for a later run in case that this one does not finish."""
        self._unfinished.write_bytes(self._head() + what.encode())

    def end(self) -> None:
        """Forget it: everything was merged, or nothing."""
        self._unfinished.unlink(missing_ok=True)

    def broken_off(self) -> str:
        """What was being merged into the last commit by a run that did not finish; empty if nothing was."""
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
        """Make sure that everything can be had back from git.

        Raises:
            TemplateError: there is no repository, no commit, something that is not committed, or half of a merge.
        """
        try:
            git("rev-parse", "--verify", "--quiet", "HEAD", cwd=self.root)
        except TemplateError as error:
            if "git is not installed" in str(error):
                raise
            raise TemplateError(
                "There is no commit of this project to come back to: `git init`, add and commit everything, try again."
            ) from error
        changes = self.changes()
        if not changes:
            self.end()
        elif what := self.broken_off():
            raise TemplateError(
                f"Nothing was done: an earlier run did not finish merging {what}, and something is not committed.\n"
                f"If that is what it left, do not commit it: {GIVE_UP}. If it is yours, commit or stash it.\n{changes}"
            )
        else:
            raise TemplateError(
                f"Nothing was done: commit or stash your changes first, to be able to go back.\n{changes}"
            )

    def changes(self) -> str:
        """What is not committed, as git lists it; empty when all is."""
        return git("status", "--porcelain", cwd=self.root).decode(errors="replace").rstrip()

    def tracked(self) -> set[str]:
        """The paths in the last commit."""
        listed = git("ls-tree", "-r", "-z", "--name-only", "HEAD", cwd=self.root)
        return {name.decode(errors="surrogateescape") for name in listed.split(b"\0") if name}

    def conflicts(self) -> list[str]:
        """The files in which git could not merge, and those with hunks that Copier put aside as `.rej`."""
        unmerged = git("diff", "--name-only", "--relative", "--diff-filter=U", "-z", cwd=self.root)
        names = {name.decode(errors="surrogateescape") for name in unmerged.split(b"\0") if name}
        rejected = {f"{path}.rej" for path in self.tracked() if (self.root / f"{path}.rej").is_file()}
        return sorted(names | (rejected - self.tracked()))

"""This project as git and Copier know it."""

import subprocess
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from dev.template.errors import TemplateError

ANSWERS = ".copier-answers.yml"


def git(*arguments: str | Path, cwd: Path) -> bytes:
    """Run git and return what it printed.

    Raises:
        TemplateError: git is missing, or did not do it.
    """
    try:
        done = subprocess.run(["git", *arguments], cwd=cwd, capture_output=True, check=False)
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
        return self.root / git("rev-parse", "--git-path", "template-moved", cwd=self.root).decode().strip()

    def require_clean(self) -> None:
        """Make sure that everything can be had back from git.

        Raises:
            TemplateError: there is no repository, no commit, or something that is not committed.
        """
        try:
            git("rev-parse", "--verify", "--quiet", "HEAD", cwd=self.root)
        except TemplateError as error:
            if "git is not installed" in str(error):
                raise
            raise TemplateError(
                "There is no commit of this project to come back to: `git init`, add and commit everything, try again."
            ) from error
        if changes := self.changes():
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

"""An update of a project, as the steps of a migration see it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from hooks.errors import MigrationError
from hooks.trees import Tree, committed, rendered


@dataclass
class Update:
    """A project between two versions of the template.

    Steps apply a release's changes to `base` and `mine` alike; `hooks/landing.py` then merges every touched path with
    `new`. So a step does not depend on what Copier has done, can be repeated, and builds on the steps before it.
    """

    project: Path
    template: Path
    version_from: str
    version_to: str
    answers_file: str = ".copier-answers.yml"
    touched: set[str] = field(default_factory=set)
    # the reason to report if a file has to stay at its old path, by that path
    reasons: dict[str, str] = field(default_factory=dict)
    # the moved directory that a file of the owner's own belongs to, by the file's new path
    follows: dict[str, str] = field(default_factory=dict)

    @cached_property
    def head(self) -> Tree:
        """The files that the owner has committed; no step changes them."""
        return committed(self.project)

    @cached_property
    def mine(self) -> Tree:
        """The owner's files, which the steps change."""
        return dict(self.head)

    @cached_property
    def base(self) -> Tree:
        """The files that the last update rendered, which the steps change."""
        return rendered(self.template, self.version_from, self.answers_before)

    @cached_property
    def new(self) -> Tree:
        """The files that the new version renders; no step changes them."""
        return rendered(self.template, self.version_to, self.answers)

    @cached_property
    def answers_before(self) -> dict[str, Any]:
        """The answers that the owner has committed.

        Raises:
            MigrationError: there is no valid answers file.
        """
        if self.answers_file not in self.head:
            raise MigrationError(f"{self.answers_file} is not in the last commit of the project")
        return _answers(self.head[self.answers_file].content)

    @property
    def answers(self) -> dict[str, Any]:
        """The current answers.

        Raises:
            MigrationError: there is no valid answers file.
        """
        path = self.project / self.answers_file
        if not path.is_file():
            raise MigrationError(f"there is no {self.answers_file}")
        return _answers(path.read_bytes())

    def write_answers(self, answers: Mapping[str, Any]) -> None:
        """Write the answers for Copier to read next; Copier then rewrites the file."""
        text = yaml.safe_dump(dict(answers), allow_unicode=True, sort_keys=False)
        (self.project / self.answers_file).write_text(text, encoding="utf-8")

    def touch(self, *paths: str, reason: str = "") -> None:
        """Mark paths to be merged at the end."""
        self.touched.update(paths)
        if reason:
            self.reasons.update(dict.fromkeys(paths, reason))

    def say(self, line: str) -> None:
        """Print one line for the owner."""
        sys.stdout.write(f"   {line}\n")
        sys.stdout.flush()


def _answers(content: bytes) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise MigrationError(f"the answers file is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(loaded, dict):
        raise MigrationError("the answers file holds no answers")
    return loaded

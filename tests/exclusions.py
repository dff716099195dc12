"""What copier.yml excludes: which paths of the template belong to which answers."""

import re
from itertools import takewhile
from pathlib import Path

from tests.rendering import working_files
from tests.variants import ROOT, choices, manifest

TEMPLATE = ROOT / "template"

# `!=` for paths that belong to the named answer, `==` for paths that belong to all other answers. `default` is the
# answer for projects that are older than the question.
EXCLUSION = re.compile(
    r'\{% if (?P<question>\w+)(?: \| default\("(?P<default>\w+)"\))? (?P<operator>[!=]=) "(?P<answer>\w+)" %\}'
)


def conditional_entries() -> list[list[str]]:
    """Return the lines of each entry of `_exclude` that depends on an answer."""
    return [entry.strip().splitlines() for entry in manifest()["_exclude"] if "\n" in entry.strip()]


def exclusions() -> dict[tuple[str, frozenset[str]], list[str]]:
    """Return the paths that belong to some answers only, by question and answers."""
    conditions = [(EXCLUSION.fullmatch(condition), paths) for condition, *paths, _end in conditional_entries()]
    return {owners(found): [line.strip() for line in _current(paths)] for found, paths in conditions if found}


def _current(paths: list[str]) -> list[str]:
    """Return the paths of this release; those of earlier releases stand below a comment."""
    return list(takewhile(lambda line: not line.strip().startswith("# up to "), paths))


def owners(found: re.Match[str]) -> tuple[str, frozenset[str]]:
    """Return the question of a condition, and the answers that its paths belong to."""
    named = {found["answer"]}
    others = set(choices()[found["question"]]) - named
    return found["question"], frozenset(named if found["operator"] == "!=" else others)


def files_of(directory: Path, repository: Path = ROOT) -> list[Path]:
    """Return git's files below a directory, relative to it; caches are not included."""
    part = directory.relative_to(repository)
    return [path.relative_to(part) for path in working_files(repository) if path.is_relative_to(part)]


def plain(path: Path) -> Path:
    """Return the path of a template file in the service."""
    return path.with_suffix("") if path.suffix == ".jinja" else path

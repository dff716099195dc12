"""Composes the files of every variant out of a few renderings.

What a file holds depends on few answers: those that its Jinja and the Jinja it includes name, and those that
copier.yml excludes it for. One rendering for each combination of these answers shows all its versions.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path

from tests.exclusions import TEMPLATE, exclusions, files_of, plain
from tests.variants import ROOT, Variant, all_variants, choices, rendered_variants

# It names every answer, and the place that the template was copied from.
ANSWERS_FILE = ".copier-answers.yml"

_EXPRESSION = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_INCLUDE = re.compile(r'"variants/(\w+)/" ~ \1 ~ "/([^"]+)"')

# the answers to the questions that a file depends on, in the order of the questions
Key = tuple[str, ...]


class CompositionError(Exception):
    """The renderings do not fit what the template says about its files; the message names the file."""


@dataclass
class File:
    """The versions of one path: its content by the answers that it depends on, `None` where it does not exist."""

    path: str
    questions: tuple[str, ...]
    versions: dict[Key, bytes | None] = field(default_factory=dict)

    def key(self, variant: Variant) -> Key:
        """Return the answers of a variant that this file depends on."""
        return tuple(variant[name] for name in self.questions)

    def every_key(self) -> set[Key]:
        """Return every combination of answers that this file depends on."""
        return set(product(*(choices()[name] for name in self.questions)))


def dependencies() -> dict[str, tuple[str, ...]]:
    """Return the questions that each path of a service depends on, without the answers file."""
    found: dict[str, tuple[str, ...]] = {}
    for path in files_of(TEMPLATE):
        named = _named(TEMPLATE / path) if path.suffix == ".jinja" else set()
        named |= {
            question
            for (question, _), paths in exclusions().items()
            if any(plain(path).is_relative_to(each.removeprefix("/")) for each in paths)
        }
        if "{{" not in str(path):
            found[plain(path).as_posix()] = tuple(name for name in choices() if name in named)
    return found


@cache
def _named(path: Path) -> frozenset[str]:
    """Return the questions that a file's Jinja names, and those of all bodies that it may include."""
    expressions = _EXPRESSION.findall(path.read_text())
    named = {name for name in choices() for each in expressions if re.search(rf"\b{name}\b", each)}
    for each in expressions:
        for question, body in _INCLUDE.findall(each):
            for answer in choices()[question]:
                named |= _named(ROOT / "variants" / question / answer / body)
    return frozenset(named)


def covering(*candidates: Iterable[Variant]) -> tuple[Variant, ...]:
    """Choose the variants to render, so that every version of every file is in one of them.

    Later candidates are for what the earlier ones do not show.

    Raises:
        CompositionError: none of the candidates shows a version.
    """
    files = [File("", questions) for questions in sorted(set(dependencies().values()))]
    missing = {(each.questions, key) for each in files for key in each.every_key()}
    chosen: list[Variant] = []
    for variants in candidates:
        shown = {variant: {(each.questions, each.key(variant)) for each in files} for variant in variants}
        while (best := max(shown, key=lambda variant: len(shown[variant] & missing))) and shown[best] & missing:
            chosen.append(best)
            missing -= shown[best]
    if missing:
        raise CompositionError(f"none of the candidates shows {min(missing)}")
    return tuple(chosen)


def shown_variants() -> tuple[Variant, ...]:
    """Return the variants to render; prefer the ones that tests render anyway."""
    return covering(rendered_variants(), all_variants())


def compose(renderings: Mapping[Variant, Mapping[str, bytes]]) -> dict[str, File]:
    """Return all versions of all files, taken from renderings: the content of each path by variant.

    Raises:
        CompositionError: a file depends on more answers than the template says, or a version of it was not rendered.
    """
    files = {path: File(path, questions) for path, questions in dependencies().items()}
    for variant, rendered in renderings.items():
        if unknown := rendered.keys() - files.keys() - {ANSWERS_FILE}:
            raise CompositionError(f"{variant.id} has files that the template has not: {sorted(unknown)}")
        for path, file in files.items():
            content = rendered.get(path)
            if file.versions.setdefault(file.key(variant), content) != content:
                raise CompositionError(f"{path} of {variant.id} depends on more answers than {file.questions}")
    for path, file in files.items():
        if missing := file.every_key() - file.versions.keys():
            raise CompositionError(f"no rendering shows {path} with {sorted(missing)[0]}")
    return dict(sorted(files.items()))


def files_with(composed: Mapping[str, File], variant: Variant) -> dict[str, bytes]:
    """Return the content of every file of a variant by path, without the answers file."""
    versions = {path: file.versions[file.key(variant)] for path, file in composed.items()}
    return {path: content for path, content in versions.items() if content is not None}

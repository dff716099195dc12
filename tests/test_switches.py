"""Answers can be changed on a living project: both ways, with the owner's edits, without a rest of the old answer."""

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import pytest

from tests import life, owner, rendering
from tests.life import Rendered
from tests.project import Project
from tests.shell import attempt
from tests.variants import STRUCTURAL, Variant, choices, plain_variants


@dataclass(frozen=True)
class Switch:
    """Two answers to a question, and a variant with the first of them."""

    question: str
    start: Variant
    other: str

    @property
    def id(self) -> str:
        return f"{self.start.id}-{self.other}"

    @property
    def there_and_back(self) -> tuple[Variant, Variant]:
        there = ((name, self.other if name == self.question else given) for name, given in self.start.answers)
        return Variant(tuple(there)), self.start


def switches() -> list[Switch]:
    """Each two answers of each question, on every structure where the question itself decides about the structure."""
    found = {
        Switch(question, start, second): None
        for question, answers in choices().items()
        for first, second in combinations(answers, 2)
        for plain in (plain_variants() if question in STRUCTURAL else plain_variants()[:1])
        for start in [Variant(tuple((name, first if name == question else given) for name, given in plain.answers))]
    }
    return list(found)


each_switch = pytest.mark.parametrize("switch", switches(), ids=lambda switch: switch.id)


@each_switch
def test_there_and_back(switch: Switch, template: Path, tmp_path: Path, rendered: Rendered) -> None:
    """What comes out is a fresh rendering of the other answer each time, so that all ordered pairs are covered."""
    project = life.born(template, tmp_path / "service", None, switch.start)
    for variant in switch.there_and_back:
        life.switch(project, switch.question, variant[switch.question])
        assert not owner.unmerged(project)
        assert not life.differences(project, rendered(variant))
        rendering.commit(project)


@each_switch
def test_there_and_back_with_the_owners_edits(
    switch: Switch, template: Path, tmp_path: Path, worked_on: Rendered
) -> None:
    """The same as if the owner had worked with the other answer from the start; test_variants_run.py runs that."""
    project = life.born(template, tmp_path / "service", None, switch.start)
    owner.work_on(project)
    for variant in switch.there_and_back:
        Project(project).make("template-switch", f"{switch.question}={variant[switch.question]}")
        assert not owner.lost(project)
        assert not life.differences(project, worked_on(variant))
        rendering.commit(project)


@pytest.mark.parametrize("start", plain_variants(), ids=lambda variant: variant.id)
def test_no_answer_stands_beside_another_one(start: Variant, tmp_path: Path, rendered: Rendered) -> None:
    """Two answers that are changed one after the other are a merge, and lines side by side cannot be merged."""
    for one, other in combinations([each for each in switches() if each.start == start], 2):
        first, second = one.there_and_back[0], other.there_and_back[0]
        if one.question == other.question:
            continue
        both = Switch(other.question, first, other.other).there_and_back[0]
        trees = [rendering.rendered_files(rendered(variant)) for variant in (start, first, second, both)]
        base, mine, theirs, expected = trees
        for path in [path for path in base if len({tree.get(path) for tree in (base, mine, theirs)}) == 3]:
            if path in mine and path in theirs and path != ".copier-answers.yml":
                merged = merge(tmp_path, mine[path], base[path], theirs[path])
                assert merged == expected[path], (
                    f"{one.question} and {other.question} meet in {path}: part them by a fixed line"
                )


def merge(place: Path, mine: bytes, base: bytes, theirs: bytes) -> bytes:
    """What git makes of two changes of one file; with markers where it cannot tell."""
    for name, content in {"mine": mine, "base": base, "theirs": theirs}.items():
        (place / name).write_bytes(content)
    return attempt("git", "merge-file", "-p", "mine", "base", "theirs", cwd=place).stdout.encode()

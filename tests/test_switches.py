"""Answers can be changed on a living project: both ways, with the owner's edits, without a rest of the old answer."""

from itertools import combinations
from pathlib import Path

import pytest

from tests import life, owner
from tests.life import Rendered
from tests.project import Project
from tests.variants import STRUCTURAL, Variant, choices, plain_variants


def with_answer(variant: Variant, question: str, answer: str) -> Variant:
    return Variant(tuple((name, answer if name == question else given) for name, given in variant.answers))


def pairs() -> list[tuple[Variant, str, str, str]]:
    """Each two answers of each question, on every structure where the question itself decides about the structure."""
    found = {
        (with_answer(variant, question, first), question, first, second): None
        for question, answers in choices().items()
        for first, second in combinations(answers, 2)
        for variant in (plain_variants() if question in STRUCTURAL else plain_variants()[:1])
    }
    return list(found)


each_pair = pytest.mark.parametrize(
    ("variant", "question", "first", "second"),
    pairs(),
    ids=[f"{question}-{first}-{second}-{variant.id}" for variant, question, first, second in pairs()],
)


@each_pair
def test_there_and_back(
    variant: Variant, question: str, first: str, second: str, template: Path, tmp_path: Path, rendered: Rendered
) -> None:
    """What comes out is a fresh rendering of the other answer each time, so that all ordered pairs are covered."""
    project = life.born(template, tmp_path / "service", None, variant)
    for answer in (second, first):
        life.switch(project, question, answer)
        assert not owner.unmerged(project)
        assert not life.differences(project, rendered(with_answer(variant, question, answer)))
        owner.commit(project)


@each_pair
def test_there_and_back_with_the_owners_edits(
    variant: Variant, question: str, first: str, second: str, template: Path, tmp_path: Path, worked_on: Rendered
) -> None:
    """The same as if the owner had worked with the other answer from the start, whose suite is run elsewhere."""
    project = life.born(template, tmp_path / "service", None, variant)
    owner.work_on(project)
    for answer in (second, first):
        Project(project).make("template-switch", f"{question}={answer}")
        assert not owner.lost(project)
        assert not life.differences(project, worked_on(with_answer(variant, question, answer)))
        owner.commit(project)

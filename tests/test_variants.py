"""The variants are consistent with copier.yml."""

from itertools import pairwise
from math import prod

import pytest

from tests import variants
from tests.variants import (
    ADDITIVE,
    IN_TURNS,
    STRUCTURAL,
    VALUES,
    Variant,
    all_variants,
    choices,
    code_variants,
    few_variants,
    meetings,
    rendered_variants,
    structural_variants,
)


def test_every_combination_occurs_once() -> None:
    ids = [variant.id for variant in all_variants()]
    assert len(set(ids)) == len(ids) == prod(len(values) for values in choices().values())


def test_a_new_question_is_a_dimension_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(all_variants())
    more = {**variants.manifest(), "colour": {"type": "str", "choices": ["red", "blue"], "default": "red"}}
    monkeypatch.setattr(variants, "manifest", lambda: more)
    assert len(all_variants()) == 2 * before
    assert {variant["colour"] for variant in structural_variants()} == {"red", "blue"}


def test_structural_variants_have_every_structure_once() -> None:
    found = [variant.structure() for variant in structural_variants()]
    assert sorted(found) == sorted({variant.structure() for variant in all_variants()})


def test_code_variants_have_every_code_once() -> None:
    found = [variant.code() for variant in code_variants()]
    assert sorted(found) == sorted({variant.code() for variant in all_variants()})


@pytest.mark.parametrize(
    ("chosen", "questions"),
    [
        (structural_variants(), set(choices()) - set(ADDITIVE)),
        (code_variants(), set(choices())),
        (rendered_variants(), set(choices()) - set(VALUES)),
    ],
    ids=["structural", "code", "rendered"],
)
def test_every_two_answers_meet(chosen: tuple[Variant, ...], questions: set[str]) -> None:
    """In services that are run in full, all but those that only add files; and those in services that are rendered."""

    def met(variants: tuple[Variant, ...]) -> set[object]:
        kept = [tuple(answer for answer in each.answers if answer[0] in questions) for each in variants]
        return set[object]().union(*(meetings(Variant(answers)) for answers in kept))

    assert met(chosen) == met(all_variants())


def test_a_release_has_the_variants_of_what_it_offered() -> None:
    offered = {"db_driver": ("asyncpg", "psycopg"), "pool_profile": ("small", "medium")}
    assert [variant.id for variant in structural_variants(offered)] == ["asyncpg-small", "psycopg-medium"]


@pytest.mark.parametrize("first", range(3))
def test_few_variants_have_every_structural_answer(first: int) -> None:
    found = few_variants(first)
    for question in STRUCTURAL:
        assert {variant[question] for variant in found} == set(choices()[question])
    others = [tuple(variant[name] for name in STRUCTURAL if name not in IN_TURNS) for variant in found]
    assert len(set(others)) == len(others) == prod(len(choices()[name]) for name in set(STRUCTURAL) - set(IN_TURNS))


def test_no_question_is_both_structural_and_additive() -> None:
    assert set(ADDITIVE) <= set(choices()) - set(STRUCTURAL)
    assert set(IN_TURNS) < set(STRUCTURAL)


def test_structural_questions_are_those_that_own_files() -> None:
    """Compare with the directories, so that a new question with files of its own is not forgotten."""
    owners = {path.name for path in (variants.ROOT / "variants").iterdir() if path.is_dir()}
    assert owners <= set(choices()) - {*ADDITIVE, *VALUES}


def test_neighbouring_structures_differ() -> None:
    assert all(one.answers != other.answers for one, other in pairwise(structural_variants()))


def test_an_unknown_variant_is_refused_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match=all_variants()[0].id):
        variants.by_id("oracle-magic-huge")

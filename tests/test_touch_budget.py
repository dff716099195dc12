"""Switching one answer touches few files, and always the same: the less it touches, the less an update can conflict."""

import re
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest

from tests.rendering import rendered_files
from tests.variants import Variant, all_variants, choices

ANSWERS = r"\.copier-answers\.yml"

# What a switch of each question may change, as patterns for whole paths. A new question needs a line here.
BUDGETS = {
    "db_driver": (ANSWERS, r"src/app/db/driver\.py", r"pyproject\.toml"),
    "data_access": (
        ANSWERS,
        # named by the flavour
        r"(.*/)?(test_)?(dao|repository)\.py",
        r".*/dao/.*",
        # the same path in both, with another body
        r"src/app/[a-z_]+/service\.py",
        # says how this flavour is used
        r"README\.md",
        r"AGENTS\.md",
        r"docs/(data-access|features)\.md",
    ),
    "pool_profile": (ANSWERS, r"src/app/config\.py"),
    "ci_provider": (ANSWERS, r"\.github/workflows/\w+\.yml", r"\.gitlab-ci\.yml"),
}

Rendered = Callable[[Variant], Path]


def neighbours(question: str) -> list[tuple[Variant, Variant]]:
    """All pairs of variants that differ in this answer only."""

    def others(variant: Variant) -> list[tuple[str, str]]:
        return [(name, answer) for name, answer in variant.answers if name != question]

    return [(one, other) for one, other in combinations(all_variants(), 2) if others(one) == others(other)]


def changed(one: dict[str, bytes], other: dict[str, bytes]) -> set[str]:
    return {path for path in one.keys() | other.keys() if one.get(path) != other.get(path)}


def test_every_question_has_a_budget() -> None:
    assert set(BUDGETS) == set(choices())


@pytest.mark.parametrize("question", BUDGETS)
def test_a_switch_stays_within_its_budget(question: str, rendered: Rendered) -> None:
    allowed = re.compile("|".join(f"({pattern})" for pattern in BUDGETS[question]))
    for one, other in neighbours(question):
        paths = changed(rendered_files(rendered(one)), rendered_files(rendered(other)))
        excess = sorted(path for path in paths if not allowed.fullmatch(path))
        assert not excess, f"{one.id} and {other.id} differ in {excess}"


@pytest.mark.parametrize("question", BUDGETS)
def test_a_switch_has_an_effect(question: str, rendered: Rendered) -> None:
    for one, other in neighbours(question):
        paths = changed(rendered_files(rendered(one)), rendered_files(rendered(other)))
        assert paths - {".copier-answers.yml"}, f"{one.id} and {other.id} are the same service"


def test_the_pool_profile_changes_one_line(rendered: Rendered) -> None:
    for one, other in neighbours("pool_profile"):
        before, after = ((rendered(each) / "src/app/config.py").read_text().splitlines() for each in (one, other))
        differing = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
        assert len(differing) == 1, f"{one.id} and {other.id}: {differing}"


@pytest.mark.parametrize("pattern", ["tests/api/**/*.py", "tests/**/test_service.py"])
def test_the_contract_is_the_same_in_all_variants(pattern: str, rendered: Rendered) -> None:
    """The same bytes pass on both drivers and in both styles: that is what makes the answers interchangeable."""

    def contract(variant: Variant) -> dict[str, bytes]:
        root = rendered(variant)
        return {str(path.relative_to(root)): path.read_bytes() for path in root.glob(pattern)}

    first, *others = all_variants()
    expected = contract(first)
    assert expected, f"no file matches {pattern}"
    for variant in others:
        assert not changed(expected, contract(variant)), f"{variant.id} differs from {first.id}"

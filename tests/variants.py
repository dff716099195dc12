"""The valid combinations of answers, computed from copier.yml, so that a new question is included at once."""

import json
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache, partial
from itertools import combinations, product
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]

# the possible answers of each question
Choices = Mapping[str, tuple[str, ...]]
Offered = tuple[tuple[str, tuple[str, ...]], ...]

# The questions whose answers swap whole files or dependencies. Each combination of their answers is run in full; the
# answers to all other questions are spread over these runs.
STRUCTURAL = ("db_driver", "data_access", "task_queue")

# The structural questions whose answers take turns in `few_variants`.
IN_TURNS = ("task_queue",)

# The questions whose answers only add whole files without Python, so that their combinations with other answers need
# no tests (tests/test_template_rules.py and tests/test_render.py make sure of that).
ADDITIVE = ("ci_provider", "with_kubernetes")

# The questions whose answers only change a value, in one line: they are spread over the variants of the others.
VALUES = ("pool_profile",)


@dataclass(frozen=True)
class Variant:
    """One answer to every question that offers choices."""

    answers: tuple[tuple[str, str], ...]

    @property
    def id(self) -> str:
        """The name in test ids, in CI and after `make test-variant VARIANT=`."""
        return "-".join(answer for _, answer in self.answers)

    def __getitem__(self, question: str) -> str:
        return dict(self.answers)[question]

    def code(self) -> tuple[str, ...]:
        """Return the answers that affect the content of the files common to all variants."""
        return tuple(answer for question, answer in self.answers if question not in ADDITIVE + VALUES)

    def structure(self) -> tuple[str, ...]:
        """Return the answers to structural questions; an old release may not have asked all of them."""
        return tuple(answer for question, answer in self.answers if question in STRUCTURAL)

    def but(self, **answers: str) -> "Variant":
        """Return the variant with these answers changed."""
        return Variant(tuple((question, answers.get(question, answer)) for question, answer in self.answers))


@cache
def manifest() -> dict[str, Any]:
    """Return the content of copier.yml."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "copier.yml").read_text())
    return loaded


def questions() -> dict[str, dict[str, Any]]:
    """Return the questions that users are asked, without computed values (`when: false`)."""
    return questions_in(manifest())


def questions_in(said: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the questions of a release's copier.yml, without computed values."""
    asked = {name: details for name, details in said.items() if not name.startswith("_")}
    return {name: details for name, details in asked.items() if details.get("when") is not False}


def choices() -> Choices:
    """Return the possible answers to each question that offers choices."""
    return choices_in(manifest())


def choices_in(said: Mapping[str, Any]) -> Choices:
    """Return the possible answers to each question of a release's copier.yml that offers choices."""
    return {
        name: tuple(values.values() if isinstance(values, dict) else values)
        for name, details in questions_in(said).items()
        if (values := details.get("choices"))
    }


def all_variants(offered: Choices | None = None) -> tuple[Variant, ...]:
    """Return every combination of the offered choices, by default the current ones."""
    return _all(tuple((offered or choices()).items()))


@cache
def _all(offered: Offered) -> tuple[Variant, ...]:
    names, answers = zip(*offered, strict=True)
    return tuple(Variant(tuple(zip(names, each, strict=True))) for each in product(*answers))


def code_variants() -> tuple[Variant, ...]:
    """Return one variant for each combination of answers that affects the code."""
    return _one_for_each(Variant.code, tuple(choices().items()))


def structural_variants(offered: Choices | None = None) -> tuple[Variant, ...]:
    """Return one variant for each structure, of the offered choices."""
    return _one_for_each(Variant.structure, tuple((offered or choices()).items()))


def plain_variants(offered: Choices | None = None) -> tuple[Variant, ...]:
    """Return one variant for each structure, with the default answers to all other questions."""
    return _usual(all_variants(offered), but=STRUCTURAL)


def bare_variants() -> tuple[Variant, ...]:
    """Return one variant for each combination of answers that affects the code; other questions get defaults."""
    variants = all_variants()
    return _usual(variants, but=[name for name, _ in variants[0].answers if name not in ADDITIVE + VALUES])


def rendered_variants() -> tuple[Variant, ...]:
    """Return the variants to render: the bare ones, one with each value, each structure with every additive answer.

    Additive answers know nothing of each other, so one is changed at a time.
    """
    twins = [
        variant.but(**{name: answer})
        for variant in structural_variants()
        for name in ADDITIVE
        for answer in choices()[name]
    ]
    values = [bare_variants()[0].but(**{name: value}) for name in VALUES for value in choices()[name]]
    return tuple(dict.fromkeys([*bare_variants(), *values, *twins]))


def few_variants(first: int = 0, offered: Choices | None = None) -> tuple[Variant, ...]:
    """Return fewer plain variants: answers to the questions in `IN_TURNS` take turns, starting with number `first`.

    They serve tests that need not cover every structure, since each structure is run in full anyway.
    """
    offered = offered or choices()
    turns = {name: offered[name] for name in IN_TURNS if name in offered}
    start = {name: answers[0] for name, answers in turns.items()}
    structures = [each for each in plain_variants(offered) if each == each.but(**start)]
    return tuple(
        each.but(**{name: answers[number % len(answers)] for name, answers in turns.items()})
        for number, each in enumerate(structures, start=first)
    )


def few_offered(offered: Choices) -> tuple[Variant, ...]:
    """Return a few variants of the offered choices."""
    return few_variants(offered=offered)


def _usual(variants: tuple[Variant, ...], but: Collection[str]) -> tuple[Variant, ...]:
    usual = {name: questions()[name]["default"] for name, _ in variants[0].answers if name not in but}
    return tuple(variant for variant in variants if usual.items() <= set(variant.answers))


def meetings(variant: Variant) -> set[object]:
    """Return every answer of a variant, and every pair of its answers."""
    return {*variant.answers, *combinations(variant.answers, 2)}


@cache
def _one_for_each(kind: Callable[[Variant], tuple[str, ...]], offered: Offered) -> tuple[Variant, ...]:
    """Return one of the variants of each kind, so that as many pairs of answers as possible meet.

    Each is chosen anew as often as there are kinds, since a later choice may make an earlier one superfluous. Pairs
    with additive answers count less: they decide only between variants that add as many others.
    """
    twins: dict[tuple[str, ...], list[Variant]] = {}
    for variant in _all(offered):
        twins.setdefault(kind(variant), []).append(variant)
    chosen: dict[tuple[str, ...], Variant] = {}
    for _ in twins:
        before = dict(chosen)
        for each, alike in twins.items():
            met = set[object]().union(*(meetings(other) for name, other in chosen.items() if name != each))
            # put the current choice first: `max` returns the first of equals
            current = [chosen[each]] if each in chosen else []
            chosen[each] = max([*current, *alike], key=partial(_new_pairs, met))
        if chosen == before:
            break
    return tuple(chosen.values())


def _new_pairs(met: set[object], variant: Variant) -> tuple[int, int]:
    lasting = Variant(tuple(answer for answer in variant.answers if answer[0] not in ADDITIVE))
    return len(meetings(lasting) - met), len(meetings(variant) - met)


def by_id(name: str) -> Variant:
    """Return the variant of that name.

    Raises:
        KeyError: there is no such variant; the message lists all variants.
    """
    known = {variant.id: variant for variant in all_variants()}
    if name not in known:
        raise KeyError(f"there is no variant {name!r}; there are: {', '.join(known)}")
    return known[name]


def matrix() -> dict[str, list[str]]:
    """Return the names of the variants that `make test` runs in full, of those that differ in code, and of all."""
    return {
        "structural": [variant.id for variant in structural_variants()],
        "code": [variant.id for variant in code_variants()],
        "all": [variant.id for variant in all_variants()],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(matrix()) + "\n")

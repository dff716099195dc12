"""The legal combinations of answers, computed from copier.yml: a question added there is a dimension here at once."""

import json
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations, product
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]

# the possible answers of each question
Choices = Mapping[str, tuple[str, ...]]

# The questions whose answers swap whole files or dependencies. Each of their combinations is run in full; the answers
# of all other questions are spread over these runs.
STRUCTURAL = ("db_driver", "data_access", "task_queue")

# Those of them whose answers take turns where the same is done to several projects that were run in full already.
IN_TURNS = ("task_queue",)

# The questions whose answers only add whole files, none of them Python: their combinations with all others hold nothing
# new (tests/test_template_rules.py and tests/test_render.py hold what makes that true).
ADDITIVE = ("ci_provider",)


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
        """The answers that decide what is in the files which every variant has."""
        return tuple(answer for question, answer in self.answers if question not in ADDITIVE)

    def structure(self) -> tuple[str, ...]:
        """The answers that decide which files and dependencies there are; a release may not have asked for all."""
        return tuple(answer for question, answer in self.answers if question in STRUCTURAL)

    def but(self, **answers: str) -> "Variant":
        """The variant that differs in these answers."""
        return Variant(tuple((question, answers.get(question, answer)) for question, answer in self.answers))


@cache
def manifest() -> dict[str, Any]:
    """What copier.yml says."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "copier.yml").read_text())
    return loaded


def questions() -> dict[str, dict[str, Any]]:
    """The questions somebody is asked; computed values (`when: false`) are none."""
    return questions_in(manifest())


def questions_in(said: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Those of the copier.yml of any release."""
    asked = {name: details for name, details in said.items() if not name.startswith("_")}
    return {name: details for name, details in asked.items() if details.get("when") is not False}


def choices() -> Choices:
    """The possible answers of each question that offers choices."""
    return choices_in(manifest())


def choices_in(said: Mapping[str, Any]) -> Choices:
    """Those of the copier.yml of any release."""
    return {
        name: tuple(values.values() if isinstance(values, dict) else values)
        for name, details in questions_in(said).items()
        if (values := details.get("choices"))
    }


def all_variants(offered: Choices | None = None) -> tuple[Variant, ...]:
    """Every combination; of the answers that a release offered, if they are given."""
    offered = offered or choices()
    return tuple(Variant(tuple(zip(offered, answers, strict=True))) for answers in product(*offered.values()))


def code_variants() -> tuple[Variant, ...]:
    """One variant for each service whose code differs."""
    return _one_for_each(Variant.code, all_variants())


def structural_variants(offered: Choices | None = None) -> tuple[Variant, ...]:
    """One variant for each structure; of the answers that a release offered, if they are given."""
    return _one_for_each(Variant.structure, all_variants(offered))


def plain_variants(offered: Choices | None = None) -> tuple[Variant, ...]:
    """One variant for each structure, with the default answers to all other questions."""
    return _usual(all_variants(offered), but=STRUCTURAL)


def bare_variants() -> tuple[Variant, ...]:
    """One variant for each service whose code differs, with nothing that is only added."""
    variants = all_variants()
    return _usual(variants, but=[name for name, _ in variants[0].answers if name not in ADDITIVE])


def rendered_variants() -> tuple[Variant, ...]:
    """Those that are rendered: each service whose code differs, and on each structure whatever is only added."""
    twins = [
        variant.but(**dict(zip(ADDITIVE, answers, strict=True)))
        for variant in structural_variants()
        for answers in product(*(choices()[name] for name in ADDITIVE))
    ]
    return tuple(dict.fromkeys([*bare_variants(), *twins]))


def few_variants(first: int = 0, offered: Choices | None = None) -> tuple[Variant, ...]:
    """The plain variants, but for the questions whose answers take turns, beginning with the `first` of them.

    For what is done to projects whose structures are run in full anyway: all answers to the other questions meet.
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
    """A few variants of a release."""
    return few_variants(offered=offered)


def _usual(variants: tuple[Variant, ...], but: Collection[str]) -> tuple[Variant, ...]:
    usual = {name: questions()[name]["default"] for name, _ in variants[0].answers if name not in but}
    return tuple(variant for variant in variants if variant == variant.but(**usual))


def meetings(variant: Variant) -> set[object]:
    """Every answer that a variant has, and every two of them."""
    return {*variant.answers, *combinations(variant.answers, 2)}


def _one_for_each(kind: Callable[[Variant], tuple[str, ...]], variants: Iterable[Variant]) -> tuple[Variant, ...]:
    """One variant of each kind, so chosen one after the other that as many answers as possible meet anew."""
    twins: dict[tuple[str, ...], list[Variant]] = {}
    for variant in variants:
        twins.setdefault(kind(variant), []).append(variant)
    chosen: list[Variant] = []
    met: set[object] = set()
    for each in twins.values():
        chosen.append(max(each, key=lambda variant: len(meetings(variant) - met)))
        met |= meetings(chosen[-1])
    return tuple(chosen)


def by_id(name: str) -> Variant:
    """The variant of that name.

    Raises:
        KeyError: there is none; the message lists them all.
    """
    known = {variant.id: variant for variant in all_variants()}
    if name not in known:
        raise KeyError(f"there is no variant {name!r}; there are: {', '.join(known)}")
    return known[name]


def matrix() -> dict[str, list[str]]:
    """The names of those that `make test` runs in full, of those that differ in code, and of all variants."""
    return {
        "structural": [variant.id for variant in structural_variants()],
        "code": [variant.id for variant in code_variants()],
        "all": [variant.id for variant in all_variants()],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(matrix()) + "\n")

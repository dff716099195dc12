"""The legal combinations of answers, computed from copier.yml: a question added there is a dimension here at once."""

import json
import sys
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]

# The questions whose answers swap whole files or dependencies. Each of their combinations is run in full; the answers
# of all other questions are spread over these runs.
STRUCTURAL = ("db_driver", "data_access")

# The questions whose answers only add whole files, none of them Python. What reads Python need not see each of their
# combinations with all others (tests/test_render.py holds what makes that true).
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
        """The answers that decide which files and dependencies there are."""
        return tuple(self[question] for question in STRUCTURAL)


@cache
def manifest() -> dict[str, Any]:
    """What copier.yml says."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "copier.yml").read_text())
    return loaded


def questions() -> dict[str, dict[str, Any]]:
    """The questions somebody is asked; computed values (`when: false`) are none."""
    asked = {name: details for name, details in manifest().items() if not name.startswith("_")}
    return {name: details for name, details in asked.items() if details.get("when") is not False}


def choices() -> dict[str, tuple[str, ...]]:
    """The possible answers of each question that offers choices."""
    return {
        name: tuple(values.values() if isinstance(values, dict) else values)
        for name, details in questions().items()
        if (values := details.get("choices"))
    }


def all_variants() -> tuple[Variant, ...]:
    """Every combination."""
    names = tuple(choices())
    return tuple(Variant(tuple(zip(names, answers, strict=True))) for answers in product(*choices().values()))


def code_variants() -> tuple[Variant, ...]:
    """One variant for each service whose code differs; the additive answers take turns."""
    twins: dict[tuple[str, ...], list[Variant]] = {}
    for variant in all_variants():
        twins.setdefault(variant.code(), []).append(variant)
    return tuple(each[number % len(each)] for number, each in enumerate(twins.values()))


def structural_variants() -> tuple[Variant, ...]:
    """One variant for each structure, so chosen that every answer of the other questions occurs as well.

    The n-th structure takes the n-th answer of each other question, starting again when there are no more.
    """
    structures = dict.fromkeys(variant.structure() for variant in all_variants())
    found = {(variant.structure(), variant.answers): variant for variant in all_variants()}
    return tuple(found[structure, _nth(structure, number)] for number, structure in enumerate(structures))


def plain_variants() -> tuple[Variant, ...]:
    """One variant for each structure, with the default answers to all other questions."""
    usual = {name: questions()[name]["default"] for name in choices()}
    others = set(choices()) - set(STRUCTURAL)
    return tuple(v for v in all_variants() if all(v[name] == usual[name] for name in others))


def _nth(structure: tuple[str, ...], number: int) -> tuple[tuple[str, str], ...]:
    given = dict(zip(STRUCTURAL, structure, strict=True))
    return tuple((name, given.get(name, values[number % len(values)])) for name, values in choices().items())


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

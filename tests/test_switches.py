"""Answers of an existing project can be switched, each to each other one, without losing edits or leaving old files.

Copier renders the old and the new answers, and merges file by file. So the result for a file depends on three texts
only: the old rendering, the owner's text and the new rendering. test_every_switch_merges_with_the_owners_edits merges
these with git, for every switch of every variant. Walks of one project through all answers to a question check that
Copier and `make template-switch` do the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import chain, combinations, pairwise, permutations
from pathlib import Path

import pytest

from tests import life, owner, rendering
from tests.life import Rendered
from tests.owner_edits import DELETED, EDITS
from tests.shell import attempt
from tests.variants import ADDITIVE, STRUCTURAL, VALUES, Variant, bare_variants, choices, plain_variants

# what changes with each answer alone: the answers, and the line that tells the sample's orders of its payments, which
# are there with the sample and a queue only
BOTH = (".copier-answers.yml", "src/app/services.py")

Merge = Callable[[bytes, bytes, bytes], bytes]


@dataclass(frozen=True)
class Walk:
    """A project, and the answers to switch it to, one step after the other."""

    start: Variant
    steps: tuple[Variant, ...]

    @property
    def id(self) -> str:
        return f"{'-'.join(self.changing())}-from-{self.start.id}"

    def changing(self) -> list[str]:
        """Return the questions whose answers change."""
        return [name for name, answer in self.start.answers if {step[name] for step in self.steps} != {answer}]


def circuit(question: str) -> tuple[str, ...]:
    """Return a round trip through the answers; for structural questions, with every switch from one to another."""
    answers = choices()[question]
    way = chain.from_iterable(combinations(answers, 2)) if question in STRUCTURAL else answers
    return (*way, answers[0])


def walk(start: Variant, *questions: str) -> Walk:
    """Return a walk that changes these answers together, each through its whole circuit at least."""
    rounds = {name: circuit(name) for name in questions}
    count = max(len(each) - 1 for each in rounds.values())
    answers = [{name: each[step % (len(each) - 1)] for name, each in rounds.items()} for step in range(count + 1)]
    return Walk(start.but(**answers[0]), tuple(start.but(**each) for each in answers[1:]))


def beginning(number: int) -> Variant:
    """Return the variant with the answer of that number to each structural question."""
    return plain_variants()[0].but(**{name: choices()[name][number % len(choices()[name])] for name in STRUCTURAL})


def walks() -> list[Walk]:
    """Return a walk for each structural question, and one for all others, whose answers affect different files."""
    others = tuple(name for name in choices() if name not in STRUCTURAL)
    changing = [*((name,) for name in STRUCTURAL), others]
    return [walk(beginning(number), *names) for number, names in enumerate(changing, start=1)]


def structural_walks() -> list[Walk]:
    """Return the walks through structural questions, which add and remove files."""
    return walks()[: len(STRUCTURAL)]


def test_every_answer_is_left_for_another_one() -> None:
    for question, answers in choices().items():
        ways = [[step[question] for step in (each.start, *each.steps)] for each in walks()]
        switched = {pair for way in ways for pair in pairwise(way) if pair[0] != pair[1]}
        if question in STRUCTURAL:
            assert switched == set(permutations(answers, 2))
        else:
            assert {old for old, _ in switched} == {new for _, new in switched} == set(answers)


@pytest.mark.parametrize("each", structural_walks(), ids=lambda each: each.id)
def test_an_untouched_project_becomes_a_fresh_one(each: Walk, tmp_path: Path, rendered: Rendered) -> None:
    """Copier alone switches an untouched project to exactly the files that the new answers render."""
    project = life.newborn(rendered(each.start), tmp_path / "service")
    for variant in each.steps:
        life.switch(project, **{name: variant[name] for name in each.changing()})
        assert not owner.unmerged(project)
        assert not life.differences(project, rendered(variant))
        rendering.commit(project)


@pytest.mark.parametrize("each", walks(), ids=lambda each: each.id)
def test_the_owners_edits_are_kept(each: Walk, tmp_path: Path, rendered: Rendered, worked_on: Rendered) -> None:
    """The result is the same as if the owner had edited a project with the new answer, as in test_variants_run.py."""
    project = life.newborn(rendered(each.start), tmp_path / "service")
    owner.work_on(project)
    for variant in each.steps:
        status, printed = life.tool(project, "switch", *(f"{name}={variant[name]}" for name in each.changing()))
        assert status == 0, printed
        if "sample" in each.changing() and variant["sample"] == each.start["sample"]:
            # a sample that comes back is whole
            (project / DELETED).unlink()
        assert not owner.lost(project)
        # databases may have the migrations of a sample that went
        kept = ["migrations/service/0002_orders.py"] if variant["sample"] != each.start["sample"] else []
        assert life.differences(project, worked_on(variant)) == kept
        rendering.commit(project)


@pytest.fixture(scope="module")
def merge(tmp_path_factory: pytest.TempPathFactory) -> Merge:
    """Merges two changes of a text as the commands do: with git, and imports as a set; conflicts get markers."""
    from dev.template.import_lines import merged_module  # noqa: PLC0415 - importable only now

    place = tmp_path_factory.mktemp("merge")

    @cache
    def merged(mine: bytes, base: bytes, theirs: bytes) -> bytes:
        for name, content in {"mine": mine, "base": base, "theirs": theirs}.items():
            (place / name).write_bytes(content)
        done = attempt("git", "merge-file", "-p", "mine", "base", "theirs", cwd=place)
        imports = merged_module(base.decode(), mine.decode(), theirs.decode()) if done.returncode else None
        return (imports or done.stdout).encode()

    return merged


def others(start: Variant) -> list[tuple[str, Variant]]:
    """Return the variants that differ in one answer, with its question; without additive questions.

    Of a question about a value just one other answer, since all its answers change the same lines.
    """
    found = [
        (name, start.but(**{name: answer}))
        for name, offered in choices().items()
        if name not in ADDITIVE
        for answer in (offered[:2] if name in VALUES else offered)
    ]
    return [(name, variant) for name, variant in found if variant != start]


@pytest.mark.parametrize("path", sorted({edit.path for edit in EDITS}))
def test_every_switch_merges_with_the_owners_edits(
    path: str, merge: Merge, rendered: Rendered, worked_on: Rendered
) -> None:
    for start in bare_variants():
        for _, variant in others(start):
            base, mine, theirs, expected = (
                (made(each) / path).read_bytes() for each in (start, variant) for made in (rendered, worked_on)
            )
            assert merge(mine, base, theirs) == expected, f"{start.id} to {variant.id}"


@pytest.mark.parametrize("start", plain_variants(), ids=lambda variant: variant.id)
def test_no_answer_stands_beside_another_one(start: Variant, merge: Merge, rendered: Rendered) -> None:
    """git merges the changes of two answers, and would report a conflict for changes in adjacent lines."""
    for (one, first), (other, second) in combinations(others(start), 2):
        if one == other:
            continue
        both = first.but(**{other: second[other]})
        trees = [rendering.rendered_files(rendered(variant)) for variant in (start, first, second, both)]
        base, mine, theirs, expected = trees
        for path in [path for path in base if len({tree.get(path) for tree in (base, mine, theirs)}) == 3]:
            if path in mine and path in theirs and path not in BOTH:
                merged = merge(mine[path], base[path], theirs[path])
                assert merged == expected[path], f"{one} and {other} meet in {path}: part them by a fixed line"

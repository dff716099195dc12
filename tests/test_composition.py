"""What the explorer says about the files of every variant is what Copier renders."""

import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from pages.composition import ANSWERS_FILE, CompositionError, compose, covering, files_with, shown_variants
from pages.highlighting import marks
from tests.life import Rendered
from tests.rendering import rendered_files
from tests.variants import Variant, all_variants, choices, rendered_variants

Renderings = Mapping[Variant, dict[str, bytes]]

OTHERS = set(all_variants()) - {*rendered_variants(), *shown_variants()}
STRANGERS = random.Random(7).sample(sorted(OTHERS, key=str), 4)  # noqa: S311 - the same ones each time


@pytest.fixture(scope="module")
def renderings(rendered: Rendered) -> Renderings:
    return {variant: rendered_files(rendered(variant)) for variant in shown_variants()}


def test_few_renderings_show_every_version(renderings: Renderings) -> None:
    assert len(renderings) < len(rendered_variants()) / 2


def test_what_the_first_candidates_do_not_show_is_taken_from_the_others() -> None:
    few = [variant for variant in rendered_variants() if variant["task_queue"] == "none"]
    chosen = covering(few, all_variants())
    assert {variant["task_queue"] for variant in chosen} == set(choices()["task_queue"])
    assert [variant for variant in chosen if variant["task_queue"] == "none"] == list(
        chosen[: len(set(chosen) & set(few))]
    )


def test_all_renderings_agree_about_what_files_depend_on(renderings: Renderings, rendered: Rendered) -> None:
    composed = compose(renderings)
    for variant in rendered_variants():
        assert files_with(composed, variant) == without_answers(rendered(variant)), variant.id


@pytest.mark.parametrize("variant", STRANGERS, ids=lambda variant: variant.id)
def test_a_variant_that_is_rendered_nowhere_else_is_composed(
    variant: Variant, renderings: Renderings, rendered: Rendered
) -> None:
    assert variant not in renderings
    assert files_with(compose(renderings), variant) == without_answers(rendered(variant))


def without_answers(project: Path) -> dict[str, bytes]:
    files = rendered_files(project)
    del files[ANSWERS_FILE]
    return files


def test_a_file_that_depends_on_more_answers_is_an_error(renderings: Renderings) -> None:
    first = next(iter(renderings))
    other = {**renderings, first: {**renderings[first], "AGENTS.md": b"what only this variant says\n"}}
    with pytest.raises(CompositionError, match=r"AGENTS\.md of .* depends on more answers"):
        compose(other)


def test_an_unknown_file_is_an_error(renderings: Renderings) -> None:
    first = next(iter(renderings))
    with pytest.raises(CompositionError, match=r"surprise\.py"):
        compose({**renderings, first: {**renderings[first], "surprise.py": b"\n"}})


def test_a_version_that_was_not_rendered_is_an_error(renderings: Renderings) -> None:
    fewer = {variant: files for variant, files in renderings.items() if variant["task_queue"] != "celery"}
    with pytest.raises(CompositionError, match=r"no rendering shows .* with .*celery"):
        compose(fewer)
    with pytest.raises(CompositionError, match=r"none of the candidates shows .*celery"):
        covering(fewer)


def test_coloured_parts_are_counted_as_javascript_counts() -> None:
    text = 'word = "🐘"  # 🐘 end\n'
    units = text.encode("utf-16-le")
    found, at, shown = marks("a.py", text), 0, []
    for distance, length, kind in zip(found[::3], found[1::3], found[2::3], strict=True):
        at += int(distance)
        shown.append((units[2 * at : 2 * (at + int(length))].decode("utf-16-le"), kind))
        at += int(length)
    assert shown == [('"🐘"', "s"), ("# 🐘 end", "c")]


def test_files_of_unknown_languages_have_no_coloured_parts() -> None:
    assert marks("a.nobody-knows", "text\n") == []

"""Updates from every release to the working tree: untouched projects equal new ones, and owners lose no edits."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import life, owner, rendering
from tests.life import Rendered
from tests.releases import Release, offered, order, past_releases
from tests.shell import run
from tests.variants import Choices, Variant, few_offered, few_variants, plain_variants, structural_variants

# Paths that a release removed on purpose, with the reason. A renamed path needs a migration instead
# (hooks/migrations/).
TAKEN_AWAY: dict[str, str] = {}

# The first release whose `make template-update` merges imports of the owner's with imports of the template's, which
# conflict with Copier alone when they are neighbours.
MERGES_IMPORTS = (0, 4)


@dataclass(frozen=True)
class Life:
    """A project that was made from a release."""

    release: Release
    variant: Variant

    @property
    def id(self) -> str:
        return f"{self.release.version}-{self.variant.id}"


Variants = Callable[[Choices], tuple[Variant, ...]]


def lives(last: Variants) -> pytest.MarkDecorator:
    """Parametrize a test with projects of the last release, and with another variant of each earlier one.

    The steps of all releases are the same.
    """
    *before, newest = past_releases()
    every = [Life(newest, variant) for variant in last(offered(newest))]
    for number, release in enumerate(before):
        few = few_offered(offered(release))
        every.append(Life(release, few[number % len(few)]))
    return pytest.mark.parametrize("each", every, ids=lambda each: each.id)


def two(choices: Choices) -> tuple[Variant, ...]:
    """Return two variants that differ in every structural answer."""
    few = few_offered(choices)
    return few[1], few[-2]


def test_there_are_releases_to_update_from() -> None:
    """Without past releases, all tests below would pass without testing anything."""
    assert {"0.1.0", "0.2.0"} <= {release.version for release in past_releases()}


@lives(structural_variants)
def test_an_untouched_project_becomes_a_fresh_one(
    each: Life, template: Path, tmp_path: Path, rendered: Rendered
) -> None:
    project = life.born(template, tmp_path / "service", each.release, each.variant)
    life.update(project, "--trust")
    assert not owner.unmerged(project)
    assert not life.differences(project, rendered(life.answers_of(project)))


@pytest.mark.parametrize("variant", few_variants()[:2], ids=lambda variant: variant.id)
def test_an_update_to_the_same_release_changes_nothing(variant: Variant, tmp_path: Path, rendered: Rendered) -> None:
    """This holds after an update too, because an updated untouched project equals a new one."""
    project = life.newborn(rendered(variant), tmp_path / "service")
    life.update(project)
    assert not run("git", "status", "--porcelain", cwd=project)


@lives(few_offered)
def test_nothing_the_owner_did_is_lost(each: Life, template: Path, tmp_path: Path, worked_on: Rendered) -> None:
    project = life.born(template, tmp_path / "service", each.release, each.variant)
    owner.work_on(project)
    if order(each.release.version) < MERGES_IMPORTS:
        life.update(project, "--trust")
    else:
        status, output = life.tool(project, "update")
        assert status == 0, output
    assert not owner.unmerged(project)
    # a table of the owner's is not one of the release's as well
    tomllib.loads((project / "pyproject.toml").read_text())
    owner.catch_up(project)
    assert not owner.lost(project)
    # The result is the same as if the owner had edited the new release; test_variants_run.py runs such projects with
    # each driver, style and queue, though not in every combination.
    assert not life.differences(project, worked_on(life.answers_of(project)))


@lives(two)
def test_no_edit_vanishes_wherever_it_is(each: Life, template: Path, tmp_path: Path) -> None:
    """Edit each file: Copier silently deletes the edits in files that the release removed or renamed."""
    project = life.born(template, tmp_path / "service", each.release, each.variant)
    before = set(owner.tracked(project)) - {".copier-answers.yml"}
    owner.sign(project)
    life.update(project, "--trust")
    everything = b"\n".join(owner.contents(project).values()).decode()
    vanished = sorted(path for path in before - TAKEN_AWAY.keys() if owner.signature(path) not in everything)
    assert not vanished, (
        f"whoever edited these in {each.release.version} would lose it: move them by a migration (hooks/migrations/), "
        f"or say in TAKEN_AWAY why they may go: {vanished}"
    )


def test_a_name_stays_legal_for_whoever_has_it(template: Path, tmp_path: Path) -> None:
    """A new question must not refuse a name because of the packages that other answers to it install."""
    project = rendering.render(template, tmp_path / "service", {"project_slug": "celery"}, ref="v0.2.0")
    rendering.commit(project)
    life.update(project, "--trust")
    assert 'name = "celery"' in (project / "pyproject.toml").read_text()


def test_what_was_taken_away_is_gone(rendered: Rendered) -> None:
    """A path that exists again must not stay in the list, or its edits would not be checked."""
    left = {str(path.relative_to(root)) for root in map(rendered, plain_variants()) for path in root.rglob("*")}
    assert not TAKEN_AWAY.keys() & left

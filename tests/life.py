"""Updates and switches of a project, as its owner does them."""

from collections.abc import Callable
from pathlib import Path

import yaml

from tests import owner, rendering
from tests.releases import Release
from tests.shell import CommandError, run
from tests.variants import Variant

Rendered = Callable[[Variant], Path]


def born(template: Path, target: Path, release: Release | None, variant: Variant) -> Path:
    """Render a release, the working tree if none is named, and commit it; questions it did not ask are left out."""
    ref = release.tag if release else "HEAD"
    asked = yaml.safe_load(run("git", "show", f"{ref}:copier.yml", cwd=template))
    answers = {name: answer for name, answer in variant.answers if name in asked}
    project = rendering.render(template, target, answers, ref=ref)
    owner.commit(project)
    return project


def update(project: Path, *arguments: str) -> None:
    """Update to the newest release, or by more arguments; without trust, and without being asked anything.

    Raises:
        CommandError: Copier refused.
    """
    status, printed = rendering.copier("update", "--defaults", "--quiet", *arguments, cwd=project)
    if status != 0:
        raise CommandError(printed)


def switch(project: Path, question: str, answer: str) -> None:
    """Change one answer at the same release.

    Raises:
        CommandError: Copier refused.
    """
    update(project, "--vcs-ref=:current:", "--data", f"{question}={answer}")


def differences(project: Path, expected: Path) -> list[str]:
    """The paths at which a project is not byte for byte what another one is."""
    mine, other = owner.contents(project), dict(rendering.rendered_files(expected))
    return sorted(path for path in mine.keys() | other.keys() if mine.get(path) != other.get(path))

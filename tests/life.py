"""Updates and switches of a project, as its owner does them."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

from tests import future, owner, rendering
from tests.releases import Release, version_of_tree
from tests.shell import CommandError, attempt, environment
from tests.variants import Variant, choices

Rendered = Callable[[Variant], Path]

# The releases at both ends: of the working tree, and one that may come.
HERE = f"v{version_of_tree()}"
THERE = f"v{future.VERSION}"


def born(template: Path, target: Path, release: Release | None, variant: Variant) -> Path:
    """Render a release, the working tree if none is named, and commit it."""
    ref = release.tag if release else "HEAD"
    project = rendering.render(template, target, dict(variant.answers), ref=ref)
    rendering.commit(project)
    return project


def newborn(rendered: Path, target: Path) -> Path:
    """Copy what the working tree renders, and commit it."""
    return rendering.commit(Path(shutil.copytree(rendered, target)))


def answers_of(project: Path) -> Variant:
    """The variant that a project says it is."""
    answers = yaml.safe_load((project / ".copier-answers.yml").read_text())
    return Variant(tuple((name, answers[name]) for name in choices()))


def update(project: Path, *arguments: str) -> None:
    """Update to the newest release, or by more arguments; without trust, and without being asked anything.

    Raises:
        CommandError: Copier refused.
    """
    status, printed = rendering.copier("update", "--defaults", "--quiet", *arguments, cwd=project)
    if status != 0:
        raise CommandError(printed)


def switch(project: Path, **answers: str) -> None:
    """Change answers at the same release.

    Raises:
        CommandError: Copier refused.
    """
    data = [part for question, answer in answers.items() for part in ("--data", f"{question}={answer}")]
    update(project, "--vcs-ref=:current:", *data)


def differences(project: Path, expected: Path) -> list[str]:
    """The paths at which a project is not byte for byte what another one is."""
    mine, other = owner.contents(project), dict(rendering.rendered_files(expected))
    return sorted(path for path in mine.keys() | other.keys() if mine.get(path) != other.get(path))


def tool(project: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """Run a project's `dev.template` on the Copier of this test run; its exit status, and all that it printed."""
    done = attempt(sys.executable, "-m", "dev.template", *arguments, cwd=project, env=environment(**variables))
    return done.returncode, done.stdout

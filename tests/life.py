"""Updates a project and switches its answers, as its owner does."""

import shutil
from collections.abc import Callable
from pathlib import Path

import yaml

from tests import future, owner, prepared, rendering
from tests.releases import Release, version_of_tree
from tests.shell import CommandError, environment
from tests.variants import Variant, choices

Rendered = Callable[[Variant], Path]

# The release of the working tree, and a future one.
HERE = f"v{version_of_tree()}"
THERE = f"v{future.VERSION}"


def born(template: Path, target: Path, release: Release | None, variant: Variant) -> Path:
    """Render a release, by default the working tree, and commit it."""
    ref = release.tag if release else "HEAD"
    project = rendering.render(template, target, dict(variant.answers), ref=ref)
    rendering.commit(project)
    return project


def newborn(rendered: Path, target: Path) -> Path:
    """Copy a rendered project, and commit it."""
    return rendering.commit(Path(shutil.copytree(rendered, target)))


def answers_of(project: Path) -> Variant:
    """Return the variant that a project's answers file names."""
    answers = yaml.safe_load((project / ".copier-answers.yml").read_text())
    return Variant(tuple((name, answers[name]) for name in choices()))


def update(project: Path, *arguments: str) -> None:
    """Update to the newest release, or as the arguments say; without trust and without questions.

    Raises:
        CommandError: Copier refused.
    """
    status, printed = rendering.copier("update", "--defaults", "--quiet", *arguments, cwd=project)
    if status != 0:
        raise CommandError(printed)


def switch(project: Path, **answers: str) -> None:
    """Change answers without changing the release.

    Raises:
        CommandError: Copier refused.
    """
    data = [part for question, answer in answers.items() for part in ("--data", f"{question}={answer}")]
    update(project, "--vcs-ref=:current:", *data)


def differences(project: Path, expected: Path) -> list[str]:
    """Return the paths at which two projects differ in a byte."""
    mine, other = owner.contents(project), dict(rendering.rendered_files(expected))
    return sorted(path for path in mine.keys() | other.keys() if mine.get(path) != other.get(path))


def tool(project: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """Run a project's `dev.template` with the Copier of this test run; return the exit status and the output."""
    done = prepared.attempt("dev.template", *arguments, cwd=project, env=environment(**variables))
    return done.returncode, done.stdout

"""Merges another release, or other answers, into the project."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import copier
from copier.errors import UnsafeTemplateError

from dev.template import imports, kept
from dev.template.errors import TemplateError
from dev.template.project import Project
from dev.template.source import clone_of

UNDO = "To give it up: git reset --hard && git clean -df"


def update(project: Project, to: str, *, trust: bool) -> int:
    """Merge a release, the newest one if none is named; return the exit status.

    Raises:
        TemplateError: it was not begun, or was broken off.
    """
    return _change(project, to, {}, trust=trust)


def switch(project: Project, answers: Mapping[str, str], *, trust: bool) -> int:
    """Change answers at the release the project is at; return the exit status.

    Raises:
        TemplateError: it was not begun, or was broken off.
    """
    unknown = sorted(answers.keys() - project.answers.keys())
    if unknown or not answers:
        complaint = f"There is no question {', '.join(unknown)}" if unknown else "Say which answer"
        known = ", ".join(f"{name}={value!r}" for name, value in project.answers.items())
        raise TemplateError(f"{complaint}: make template-switch data_access=dao. This project has {known}.")
    return _change(project, str(project.remembered["_commit"]), answers, trust=trust)


def _change(project: Project, to: str, answers: Mapping[str, str], *, trust: bool) -> int:
    project.require_clean()
    with clone_of(project) as source, tempfile.TemporaryDirectory() as place:
        release = source.release_of(project)
        target = to or source.newest
        if target not in source.releases:
            raise TemplateError(f"There is no release {target}; the newest is {source.newest}.")
        if source.releases[target] < source.releases[release]:
            raise TemplateError(
                f"Nothing was done: {target} is older than {release}, and there is no way back but git's."
            )
        if target == release and not answers:
            print(f"This project is at {release} already.")
            return 0
        project.moved.unlink(missing_ok=True)
        base = source.render(release, project.answers, Path(place, "base"))
        _merge(project, target, answers, trust=trust)
        return _report(project, Project(project.root), base, f"{release} → {target}")


def _merge(project: Project, target: str, answers: Mapping[str, str], *, trust: bool) -> None:
    """Let Copier do it.

    Raises:
        TemplateError: it would not, or could not.
    """
    try:
        copier.run_update(
            project.root, data=dict(answers), vcs_ref=target, defaults=True, overwrite=True, quiet=True, unsafe=trust
        )
    except UnsafeTemplateError as error:
        raise TemplateError(
            f"Nothing was done: {target} brings migrations, programs of the template that run once on this project.\n"
            "Read them (hooks/migrations/ of the template), then: make template-update TRUST=1"
        ) from error
    except BaseException as error:
        # whatever it was: an illegal answer, a failed migration, a full disk, Ctrl-C
        why = str(error) or type(error).__name__
        if project.changes():
            raise TemplateError(f"Broken off: {why}\nYour last commit is untouched. {UNDO}") from error
        raise TemplateError(f"Nothing was done: {why}") from error


def _report(before: Project, after: Project, base: Path, what: str) -> int:
    """Say what became of the project; return 1 if somebody has to look into it."""
    gone = kept.gone(after, base)
    merged, conflicting = kept.put_back(after)
    aside = kept.keep(after, base)
    conflicts = after.conflicts() + conflicting
    changed = sorted(name for name in before.answers if before.answers[name] != after.answers.get(name))
    told = {
        "Answers that changed:": [f"{name}: {before.answers[name]} → {after.answers.get(name)}" for name in changed],
        "Edits put back into their files:": merged,
        f"Removed, though you had changed them; port what you need from {kept.FOLDER}/:": aside,
        "These import what was removed, port them:": imports.dangling(after, gone),
        "CONFLICTS, resolve what is between <<<<<<< and >>>>>>> (or in the .rej file), then `git add`:": conflicts,
    }
    print(f"Merged: {what}.")
    for title, lines in told.items():
        if lines:
            print("\n".join([f"\n{title}", *(f"  {line}" for line in lines)]))
    print(f"\nThen: git diff HEAD; make setup migrate lint types test; commit. {UNDO}")
    return 1 if conflicts else 0

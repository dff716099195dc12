"""Merges another release, or other answers, into the project."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import copier
from copier.errors import UnsafeTemplateError

from dev.template import imports, kept
from dev.template.errors import TemplateError
from dev.template.merge import Merge
from dev.template.project import Project
from dev.template.source import Source, clone_of

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
        target = _target(source, release, to)
        if target == release and not answers:
            print(f"This project is at {release} already.")
            return 0
        base = source.render(release, project.answers, Path(place, "base"))
        new = _preview(source, target, project, answers, Path(place, "new"))
        merge = Merge(project, base, new)
        merge.require_safety()
        project.moved.unlink(missing_ok=True)
        _merge(project, target, answers, trust=trust)
        try:
            return _report(
                merge, ", ".join(f"{name}={each}" for name, each in answers.items()) or f"{release} → {target}"
            )
        except BaseException as error:
            raise TemplateError(f"Broken off: {error or type(error).__name__}\n{UNDO}") from error


def _target(source: Source, release: str, to: str) -> str:
    target = to or source.newest
    if target not in source.releases:
        raise TemplateError(f"There is no release {target}; the newest is {source.newest}.")
    if source.releases[target] < source.releases[release]:
        raise TemplateError(f"Nothing was done: {target} is older than {release}, and there is no way back but git's.")
    return target


def _preview(source: Source, target: str, project: Project, answers: Mapping[str, str], place: Path) -> Path:
    """Render what is wanted; nothing, where only the migrations of a release make the old answers legal."""
    try:
        return source.render(target, {**project.answers, **answers}, place)
    except TemplateError:
        if answers:
            raise
        return place


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


def _report(merge: Merge, what: str) -> int:
    """Settle what Copier left, and say what became of the project; return 1 if somebody has to look into it."""
    lossy = merge.settle()
    aside = kept.keep(merge)
    merged, conflicting = kept.put_back(merge.project)
    after = Project(merge.project.root)
    conflicts = sorted({*after.conflicts(), *lossy, *conflicting})
    told = {
        "Answers that changed:": _changed(merge.project.answers, after.answers),
        "Edits put back into their files:": merged,
        f"Removed, though you had changed them; port what you need from {kept.FOLDER}/:": aside,
        "These import what was removed, port them:": imports.dangling(after, merge.gone()),
        "New, though you had deleted all of the template beside them; delete them as well:": merge.revived(),
        "CONFLICTS, resolve what is between <<<<<<< and >>>>>>> (or in the .rej file), then `git add`:": conflicts,
    }
    print(f"Merged: {what}.")
    for title, lines in told.items():
        if lines:
            print("\n".join([f"\n{title}", *(f"  {line}" for line in lines)]))
    print(f"\nThen: git diff HEAD; make setup migrate lint types test; commit. {UNDO}")
    return 1 if conflicts else 0


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    names = [name for name in [*before, *(after.keys() - before.keys())] if before.get(name) != after.get(name)]
    return [f"{name}: {before.get(name, 'not asked')} → {after.get(name, 'not asked')}" for name in names]

"""Merges another release, or other answers, into the project."""

import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import copier
from copier.errors import UnsafeTemplateError

from dev.template import imports, kept
from dev.template.errors import TemplateError
from dev.template.follow import LEFT_OUT, Follow, require_place
from dev.template.merge import Merge, read
from dev.template.project import UNDO, Project
from dev.template.renames import fates_of
from dev.template.source import Source, clone_of

# What makes the command fail.
MOVED = "GONE OR MOVED in the template, and you have them under another name; look at what is new:"
SKIPPED = f"LEFT OUT, because these files are not there to be merged into; port what you need from {LEFT_OUT}/:"
CONFLICTS = "CONFLICTS, resolve what is between <<<<<<< and >>>>>>> (or in the .rej file), then `git add`:"


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
    require_place(project)
    with clone_of(project) as source, tempfile.TemporaryDirectory() as place:
        release = source.release_of(project)
        target = _target(source, release, to)
        if target == release and not answers:
            print(f"This project is at {release} already.")
            return 0
        wanted = {**project.answers, **answers}
        base = source.render(release, project.answers, Path(place, "base"))
        merge = Merge(project, base, _preview(source, target, wanted, Path(place, "new"), may_fail=not answers))
        merge.require_safety()
        fates = fates_of(project, merge.base.keys() - merge.found())
        what = ", ".join(f"{name}={each}" for name, each in answers.items()) or f"{release} → {target}"
        project.moved.unlink(missing_ok=True)
        project.begin(what)
        _merge(project, target, answers, trust=trust)
        try:
            after = Project(project.root)
            if after.answers != wanted:
                # by a migration, or by a question that is new
                merge.new = read(source.render(target, after.answers, Path(place, "after")))
            told = _settle(merge, Follow(merge, fates), after)
        except BaseException as error:
            raise TemplateError(f"Broken off: {error or type(error).__name__}\n{UNDO}") from error
        project.end()
    return _report(what, told)


def _target(source: Source, release: str, to: str) -> str:
    target = to or source.newest
    if target not in source.releases:
        raise TemplateError(f"There is no release {target}; the newest is {source.newest}.")
    if source.releases[target] < source.releases[release]:
        raise TemplateError(f"Nothing was done: {target} is older than {release}, and there is no way back but git's.")
    return target


def _preview(source: Source, target: str, wanted: Mapping[str, Any], place: Path, *, may_fail: bool) -> Path:
    """Render what is wanted; nothing, where only the migrations of a release make the old answers legal."""
    try:
        return source.render(target, wanted, place)
    except TemplateError:
        if may_fail:
            return place
        raise


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
        project.end()
        raise TemplateError(
            f"Nothing was done: {target} brings migrations, programs of the template that run once on this project.\n"
            "Read them (hooks/migrations/ of the template), then: make template-update TRUST=1"
        ) from error
    except BaseException as error:
        # whatever it was: an illegal answer, a failed migration, a full disk, Ctrl-C, which may be pressed twice
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        why = str(error) or type(error).__name__
        if project.changes():
            raise TemplateError(f"Broken off: {why}\nYour last commit is untouched. {UNDO}") from error
        project.end()
        raise TemplateError(f"Nothing was done: {why}") from error


def _settle(merge: Merge, follow: Follow, after: Project) -> dict[str, list[str]]:
    """Finish what Copier began; return what there is to tell, by its title."""
    lossy = merge.settle()
    followed, placed = follow.into_renamed_files(), follow.into_renamed_folders()
    aside = kept.keep(merge)
    merged, conflicting = kept.put_back(merge.project)
    return {
        "Answers that changed:": _changed(merge.project.answers, after.answers),
        "Changes that were merged into files under their new names:": followed,
        "New, in folders that you renamed:": placed,
        "Changed in folders of which you kept nothing; left out:": follow.given_up,
        "Edits put back into their files:": merged,
        f"Removed, though you had changed them; port what you need from {kept.FOLDER}/:": aside,
        "These import what is not there, port them:": imports.dangling(after, [*merge.gone(), *follow.old_names()]),
        "New, though you had deleted all of the template beside them; delete them as well:": merge.revived(),
        MOVED: follow.gone(),
        SKIPPED: follow.keep(),
        CONFLICTS: sorted({*after.conflicts(), *lossy, *follow.conflicts, *conflicting}),
    }


def _report(what: str, told: Mapping[str, list[str]]) -> int:
    """Print what was merged; return 1 if the owner has to resolve or port something."""
    print(f"Merged: {what}.")
    for title, lines in told.items():
        if lines:
            print("\n".join([f"\n{title}", *(f"  {line}" for line in lines)]))
    print(f"\nThen: git diff HEAD; make setup migrate lint types test; commit. {UNDO}")
    return 1 if any(told[title] for title in (MOVED, SKIPPED, CONFLICTS)) else 0


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    names = [name for name in [*before, *(after.keys() - before.keys())] if before.get(name) != after.get(name)]
    return [f"{name}: {before.get(name, 'not asked')} → {after.get(name, 'not asked')}" for name in names]

"""Merges another release, or other answers, into the project."""

import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import copier
from copier.errors import UnsafeTemplateError

from dev.template import import_lines, imports, kept, needed
from dev.template.errors import TemplateError
from dev.template.follow import LEFT_OUT, Follow, require_place
from dev.template.hidden import hidden
from dev.template.merge import Merge, read
from dev.template.project import UNDO, Project
from dev.template.renames import trace
from dev.template.revisions import misfits
from dev.template.source import Source, clone_of

# The sections of the report that make the command fail.
MOVED = "REMOVED OR MOVED in the template, but you renamed them; compare them with the template's new files:"
SKIPPED = f"LEFT OUT, because these files are missing or cannot be merged; port what you need from {LEFT_OUT}/:"
CONFLICTS = "CONFLICTS: resolve the lines between <<<<<<< and >>>>>>> (or in the .rej file), then `git add`:"

HIDDEN = "HIDDEN by a module or package of the same name, so it cannot be imported; rename yours, and its imports:"

# what the template brought does not fit into the owner's history
MISFITS = "MIGRATIONS that do not fit yours; nothing can be migrated until you have done this:"


def update(project: Project, to: str, *, trust: bool) -> int:
    """Merge a release, by default the newest; return the exit status.

    Raises:
        TemplateError: the update was refused, or stopped half-way.
    """
    return _change(project, to, {}, trust=trust)


def switch(project: Project, answers: Mapping[str, str], *, trust: bool) -> int:
    """Change answers without changing the release; return the exit status.

    Raises:
        TemplateError: the change was refused, or stopped half-way.
    """
    unknown = sorted(answers.keys() - project.answers.keys())
    if unknown or not answers:
        complaint = f"There is no question {', '.join(unknown)}" if unknown else "Name the answer to change"
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
        history = trace(project, merge.base.keys() - merge.found())
        what = ", ".join(f"{name}={value}" for name, value in answers.items()) or f"{release} → {target}"
        project.forget()
        project.begin(what)
        _merge(project, target, answers, trust=trust)
        try:
            after = Project(project.root)
            if after.answers != wanted:
                # a migration or a new question changed the answers
                merge.new = read(source.render(target, after.answers, Path(place, "after")))
            report = _settle(merge, Follow(merge, history), after)
        except BaseException as error:
            raise TemplateError(f"Stopped half-way: {error or type(error).__name__}\n{UNDO}") from error
        project.end()
    return _report(what, report)


def _target(source: Source, release: str, to: str) -> str:
    target = to or source.newest
    if target not in source.releases:
        raise TemplateError(f"There is no release {target}; the newest is {source.newest}.")
    if source.releases[target] < source.releases[release]:
        raise TemplateError(f"Nothing was done: {target} is older than {release}; to go back, use git.")
    return target


def _preview(source: Source, target: str, wanted: Mapping[str, Any], place: Path, *, may_fail: bool) -> Path:
    """Render the target release; return an empty folder if only its migrations make the answers valid."""
    try:
        return source.render(target, wanted, place)
    except TemplateError:
        if may_fail:
            return place
        raise


def _merge(project: Project, target: str, answers: Mapping[str, str], *, trust: bool) -> None:
    """Run Copier's update.

    Raises:
        TemplateError: Copier refused, or failed.
    """
    try:
        copier.run_update(
            project.root, data=dict(answers), vcs_ref=target, defaults=True, overwrite=True, quiet=True, unsafe=trust
        )
    except UnsafeTemplateError as error:
        project.end()
        raise TemplateError(
            f"Nothing was done: {target} has migrations, programs of the template that run once on this project.\n"
            "Read them (hooks/migrations/ of the template), then run: make template-update TRUST=1"
        ) from error
    except BaseException as error:
        # any failure: an invalid answer, a failed migration, a full disk, or Ctrl-C; ignore a second Ctrl-C
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        why = str(error) or type(error).__name__
        if project.changes():
            raise TemplateError(f"Stopped half-way: {why}\nYour last commit is untouched. {UNDO}") from error
        project.end()
        raise TemplateError(f"Nothing was done: {why}") from error


def _settle(merge: Merge, follow: Follow, after: Project) -> dict[str, list[str]]:
    """Finish the merge after Copier; return the lines of the report by section title."""
    lossy = merge.settle()
    import_lines.resolve(merge)
    history = merge.keep_history()
    followed, placed = follow.into_renamed_files(), follow.into_renamed_folders()
    needed.restore(merge)
    aside = kept.keep(merge)
    merged, conflicting = kept.put_back(merge.project)
    return {
        "Answers that changed:": _changed(merge.project.answers, after.answers),
        "Changes merged into files that you renamed:": followed,
        "New files, moved into folders that you renamed:": placed,
        "Changes left out, because you deleted all of the template's files in their folders:": follow.given_up,
        "Your edits, merged back into files that returned:": merged,
        "Kept, because databases may have these migrations:": history,
        f"Removed, although you had edited them; port what you need from {kept.FOLDER}/:": aside,
        "Imports of removed modules, correct them:": imports.dangling(after, [*merge.gone(), *follow.old_names()]),
        "New files in folders that you had deleted; delete them as well:": merge.revived(),
        MISFITS: misfits(merge),
        HIDDEN: hidden(after),
        MOVED: follow.gone(),
        SKIPPED: follow.keep(),
        CONFLICTS: sorted({*after.conflicts(), *lossy, *follow.conflicts, *conflicting}),
    }


def _report(what: str, report: Mapping[str, list[str]]) -> int:
    """Print the report; return 1 if the owner has to resolve or port something."""
    print(f"Merged: {what}.")
    for title, lines in report.items():
        if lines:
            print("\n".join([f"\n{title}", *(f"  {line}" for line in lines)]))
    print(f"\nThen: git diff HEAD; make setup migrate lint types test; commit. {UNDO}")
    return 1 if any(report[title] for title in (MISFITS, HIDDEN, MOVED, SKIPPED, CONFLICTS)) else 0


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    names = [name for name in [*before, *(after.keys() - before.keys())] if before.get(name) != after.get(name)]
    return [f"{name}: {before.get(name, 'not asked')} → {after.get(name, 'not asked')}" for name in names]

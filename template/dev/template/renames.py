"""Finds in the history of the project what became of files of the template that are no longer there."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from dev.template.project import Project, git

# How much of a file, in percent as git counts it, the commit that moved it must have kept: to be merged into under its
# new name; and to be recognised as moved or split at all. A feature after the example of another one has less.
RENAMED = 70
RECOGNISED = 30
# A file that was renamed more often than that is treated as split.
MOST_RENAMES = 20


@dataclass
class Fates:
    """The new path of each renamed file, and the paths of deleted files. What is in neither was split or rewritten."""

    renamed: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)


def fates_of(project: Project, missing: Iterable[str]) -> Fates:
    """Follow each path through all renames."""
    found, tracked, waiting = Fates(), project.tracked(), {path: path for path in missing}
    for _ in range(MOST_RENAMES):
        removals = _removals(project, waiting.values())
        renames = {commit: _renames(project, commit) for commit in set(removals.values())}
        following, waiting = waiting, {}
        for origin, path in following.items():
            if path not in removals:
                continue
            similarity, new = renames[removals[path]].get(path, (0, ""))
            if not new:
                found.deleted.add(origin)
            elif similarity >= RENAMED and new in tracked:
                found.renamed[origin] = new
            elif similarity >= RENAMED:
                waiting[origin] = new
    return found


def _removals(project: Project, paths: Iterable[str]) -> dict[str, str]:
    """The last commit that removed each path; it may have renamed it."""
    names = sorted(paths)
    if not names:
        return {}
    command = ("log", "--format=%x00%H", "--no-renames", "--diff-filter=D", "--name-only", "--relative", "-z", "HEAD")
    listed = git("--literal-pathspecs", *command, "--", *names, cwd=project.root)
    removals: dict[str, str] = {}
    commit = ""
    # an empty field is followed by a commit, and all others are paths
    fields = iter([os.fsdecode(each.strip(b"\n")) for each in listed.split(b"\0")])
    for each in fields:
        if each:
            removals.setdefault(each, commit)
        else:
            commit = next(fields, "")
    return removals


def _renames(project: Project, commit: str) -> dict[str, tuple[int, str]]:
    """How similar the new file is, in percent, and its path, for each path that a commit renamed."""
    options = ("-r", "-z", "-l0", f"-M{RECOGNISED}%", "--no-rename-empty", "--diff-filter=R", "--name-status")
    listed = git("diff-tree", *options, "--no-commit-id", "--relative", commit, cwd=project.root)
    fields = [os.fsdecode(each) for each in listed.split(b"\0")]
    similar, old, new = fields[::3], fields[1::3], fields[2::3]
    return {path: (int(number[1:]), to) for number, path, to in zip(similar, old, new, strict=False)}

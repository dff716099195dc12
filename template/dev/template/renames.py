"""Finds out from the project's git history whether missing files of the template were renamed or deleted."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from dev.template.project import Project, git

# The similarity, in percent as git measures it, of a removed file and a new file in the same commit. From RENAMED on,
# the file was renamed, and changes are merged into the new file. From RELATED on, the file was split or rewritten.
# Below that it was deleted: a feature written after the example of another one is less similar.
RENAMED = 70
RELATED = 30
# A file that was renamed more often counts as split.
MOST_RENAMES = 20


@dataclass
class History:
    """What became of missing files: those in none of the sets were split or rewritten."""

    # the new path of each renamed file
    renamed: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    # never in a commit, as files of an update that were deleted before it was committed
    unknown: set[str] = field(default_factory=set)


def trace(project: Project, missing: Iterable[str]) -> History:
    """Follow each missing file through its renames."""
    history, tracked, waiting = History(), project.tracked(), {path: path for path in missing}
    for _ in range(MOST_RENAMES):
        removals = _removals(project, waiting.values())
        renames = {commit: _renames(project, commit) for commit in set(removals.values())}
        following, waiting = waiting, {}
        for origin, path in following.items():
            if path not in removals:
                history.unknown |= {origin} & {path}
                continue
            similarity, new = renames[removals[path]].get(path, (0, ""))
            if not new:
                history.deleted.add(origin)
            elif similarity >= RENAMED and new in tracked:
                history.renamed[origin] = new
            elif similarity >= RENAMED:
                waiting[origin] = new
    return history


def _removals(project: Project, paths: Iterable[str]) -> dict[str, str]:
    """Return the last commit that removed or renamed each path."""
    names = sorted(paths)
    if not names:
        return {}
    command = ("log", "--format=%x00%H", "--no-renames", "--diff-filter=D", "--name-only", "--relative", "-z", "HEAD")
    listed = git("--literal-pathspecs", *command, "--", *names, cwd=project.root)
    removals: dict[str, str] = {}
    commit = ""
    # an empty field is followed by a commit; all other fields are paths
    fields = iter([os.fsdecode(each.strip(b"\n")) for each in listed.split(b"\0")])
    for each in fields:
        if each:
            removals.setdefault(each, commit)
        else:
            commit = next(fields, "")
    return removals


def _renames(project: Project, commit: str) -> dict[str, tuple[int, str]]:
    """Return the similarity in percent and the new path of each path that a commit renamed."""
    options = ("-r", "-z", "-l0", f"-M{RELATED}%", "--no-rename-empty", "--diff-filter=R", "--name-status")
    listed = git("diff-tree", *options, "--no-commit-id", "--relative", commit, cwd=project.root)
    fields = [os.fsdecode(each) for each in listed.split(b"\0")]
    similar, old, new = fields[::3], fields[1::3], fields[2::3]
    return {path: (int(number[1:]), to) for number, path, to in zip(similar, old, new, strict=False)}

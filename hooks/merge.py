"""The three-way merge of one path: every result is a function of what the three trees hold there."""

from dataclasses import dataclass

from hooks.git import merge_file
from hooks.trees import LINK, File


@dataclass(frozen=True)
class Outcome:
    """What shall lie at a path (nothing: no file), and whether the owner must decide."""

    file: File | None
    conflict: bool = False


def merge(base: File | None, mine: File | None, new: File | None) -> Outcome:
    """Merge the last update, what the owner has, and the new version.

    What the owner deleted stays deleted; what only one side changed is as that side has it; what the template dropped
    goes, unless the owner edited it.
    """
    if mine is None:
        return Outcome(new if base is None else None)
    if new is None:
        return Outcome(None if mine.same(base) else mine)
    if mine.same(base):
        return Outcome(new)
    if new.same(base) or new.same(mine):
        return Outcome(mine)
    return _merge_lines(base, mine, new)


def _merge_lines(base: File | None, mine: File, new: File) -> Outcome:
    # what cannot be merged by lines stays as the owner has it; git holds the other two
    undecided = Outcome(mine, conflict=True)
    if LINK in {mine.mode, new.mode}:
        return undecided
    merged = merge_file(base.content if base else b"", mine.content, new.content)
    if merged is None:
        return undecided
    content, conflict = merged
    owner_changed_mode = base is None or mine.mode != base.mode
    winner = mine if owner_changed_mode else new
    return Outcome(File(winner.mode, mine.origin, lambda: content), conflict)

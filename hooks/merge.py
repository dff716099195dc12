"""The three-way merge of one path; the result depends only on the three versions of the file."""

from dataclasses import dataclass

from hooks.git import merge_file
from hooks.trees import LINK, File


@dataclass(frozen=True)
class Outcome:
    """The file to write at a path (None for no file), and whether the owner must resolve a conflict."""

    file: File | None
    conflict: bool = False


def merge(base: File | None, mine: File | None, new: File | None) -> Outcome:
    """Merge the file of the last update, the owner's file, and the file of the new version.

    A file that the owner deleted stays deleted. If only one side changed a file, that side wins. A file that the
    template dropped is removed, unless the owner edited it.
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
    # a file that cannot be merged by lines stays as the owner has it; git's index holds the other two versions
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

"""A step of the stage `after`: some lines of a file are in another file now."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

from hooks.errors import MigrationError
from hooks.trees import Tree
from hooks.update import Update

Bounds = tuple[str, str]


@dataclass(frozen=True)
class Cut:
    """A text in three parts, as lists of lines with their ends."""

    above: list[str]
    block: list[str]
    below: list[str]

    @property
    def rest(self) -> list[str]:
        """The text without the block."""
        return self.above + self.below


def move_block(update: Update, source: str, target: str, begin: str, end: str) -> None:
    """Move lines of one file of the template to another; the owner's edits in them come along as a three-way merge.

    The block is the one line in which the regular expression `begin` is found, the first line from there on in which
    `end` is found (it may be the same), and all between. They must fit the new version's target as well as the old
    version's source. Edits elsewhere in both files are merged as ever.

    Nothing happens where the last update had no such block. Where the owner's source has no such block, or the target
    is missing or the owner's own, nothing moves: the source is merged as it is, so that edits in the block are kept
    or show as a conflict, and the owner is told.

    Raises:
        MigrationError: the block is ambiguous or has no end in one of the template's own versions.
    """
    bounds = (begin, end)
    base = _cut(update.base, source, bounds)
    if base is None:
        return
    update.touch(source, target)
    new = _cut(update.new, target, bounds)
    try:
        mine = _cut(update.mine, source, bounds)
        obstacle = _obstacle(update, source, target, found=mine is not None)
    except MigrationError as error:
        mine, obstacle = None, str(error)
    if new is None:
        obstacle = "the new version does not have them there"
    if obstacle and source in update.mine and (mine is None or mine.block != base.block):
        update.say(f"{source}: your edits of what is now in {target} stay where they are, since {obstacle}")
    if new and mine and not obstacle:
        if mine.block != base.block:
            update.say(f"{target}: has your edits of what was in {source}")
        _make_room(update, target, bounds)
        for tree, cut in ((update.base, base), (update.mine, mine)):
            _move(tree, source, target, cut, new)


def _obstacle(update: Update, source: str, target: str, *, found: bool) -> str:
    """Why the block cannot move in what the owner has, if it cannot."""
    if not found:
        return f"their first line is not in your {source}"
    if target in update.base and target not in update.mine:
        return f"you deleted {target}"
    if target in update.mine and target not in update.base:
        return f"{target} is a file of your own"
    return ""


def _make_room(update: Update, target: str, bounds: Bounds) -> None:
    """Give both trees the target without the block; where there was none, the other lines are those of the new one."""
    for tree in (update.base, update.mine):
        tree.setdefault(target, update.new[target])
    # there only if the target, for this or for another block, came from the new version
    if _cut(update.base, target, bounds):
        for tree in (update.base, update.mine):
            cut = _cut(tree, target, bounds)
            if cut:
                tree[target] = tree[target].holding(_bytes(cut.rest))


def _move(tree: Tree, source: str, target: str, cut: Cut, new: Cut) -> None:
    """Take the block out of one file of a tree, and put it into the other where the new version has it."""
    lines = _lines(tree[target].content)
    place = _corresponding(new.rest, len(new.above), lines)
    tree[target] = tree[target].holding(_bytes([*lines[:place], *cut.block, *lines[place:]]))
    tree[source] = tree[source].holding(_bytes(cut.rest))


def _corresponding(one: list[str], place: int, other: list[str]) -> int:
    """The place in another version of a text that is that of the given line."""
    found = 0
    for match in SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks():
        if match.a > place or not match.size:
            break
        found = match.b + min(match.size, place - match.a)
    return found


def _cut(tree: Tree, path: str, bounds: Bounds) -> Cut | None:
    """The parts of a file, or nothing if there is no file or no block in it."""
    if path not in tree:
        return None
    begin, end = bounds
    lines = _lines(tree[path].content)
    starts = [number for number, line in enumerate(lines) if re.search(begin, line.rstrip("\r\n"))]
    if not starts:
        return None
    if len(starts) > 1:
        raise MigrationError(f"{path} has {len(starts)} lines that fit {begin!r}")
    ends = [number for number, line in enumerate(lines) if number >= starts[0] and re.search(end, line.rstrip("\r\n"))]
    if not ends:
        raise MigrationError(f"{path} has no line that fits {end!r} after the one that fits {begin!r}")
    return Cut(lines[: starts[0]], lines[starts[0] : ends[0] + 1], lines[ends[0] + 1 :])


def _lines(content: bytes) -> list[str]:
    # not str.splitlines, which sees more ends of a line than git does; undecodable bytes survive the round trip
    return re.findall(r"[^\n]*\n|[^\n]+", content.decode(errors="surrogateescape"))


def _bytes(lines: list[str]) -> bytes:
    return "".join(lines).encode(errors="surrogateescape")

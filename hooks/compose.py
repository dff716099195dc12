"""A step of the stage `after`: a composition file has another shape now, and the owner's additions are put into it."""

from collections.abc import Callable

from hooks.errors import MigrationError
from hooks.files import move
from hooks.trees import File
from hooks.update import Update

Carry = Callable[[str, str, str], str | None]


def compose(update: Update, old: str, new: str, carry: Carry, *, untouched: bool = False) -> None:
    """Replace a file whose shape changes; `old` and `new` may be the same path.

    `carry` gets the text of the last update, the owner's, and that of the new version. It returns the new text with
    the owner's additions, or nothing if the owner did something it does not understand: then the three are merged by
    lines, and the owner is told where to look. Run it after `rename_modules`, so that all three import alike. With
    `untouched` it is also called for a file without edits, whose lines may have become the owner's.

    Nothing happens where the last update had no such file. What the owner deleted stays deleted.

    Raises:
        MigrationError: the last update had both paths.
    """
    base, mine, fresh = update.base.get(old), update.mine.get(old), update.new.get(new)
    if base is None:
        return
    if old != new and new in update.base:
        raise MigrationError(f"{old} cannot become {new}: the last update had both")
    if fresh is None or (old != new and new in update.mine):
        move(update, old, new)
        return
    update.touch(old, new)
    if mine is None:
        update.base[new] = fresh
        return
    is_simple = mine.content == base.content and not untouched
    text = _text(fresh) if is_simple else _carried(base, mine, fresh, carry)
    if text is None:
        _merge_by_lines(update, old, new)
        return
    del update.base[old], update.mine[old]
    update.base[new], update.mine[new] = base.holding(fresh.content), mine.holding(text.encode())
    if text != _text(fresh):
        update.say(f"{new}: has another shape now; your additions to it are carried over, please look at them")


def _merge_by_lines(update: Update, old: str, new: str) -> None:
    if old != new:
        for tree in (update.base, update.mine):
            tree[new] = tree.pop(old)
    update.say(f"{new}: has another shape now, and your edits of {old} fit none of its parts: please put them in")


def _carried(base: File, mine: File, fresh: File, carry: Carry) -> str | None:
    """Run a carrier on texts with plain ends of lines; the result has those of the owner's file."""
    try:
        texts = [_text(each) for each in (base, mine, fresh)]
    except UnicodeDecodeError:
        return None
    carried = carry(*(text.replace("\r\n", "\n") for text in texts))
    return carried.replace("\n", "\r\n") if carried is not None and "\r\n" in texts[1] else carried


def _text(file: File) -> str:
    return file.content.decode()

"""Steps of the stage `after`: a file or a directory is somewhere else now, or is the owner's from now on."""

from hooks.errors import MigrationError
from hooks.trees import below
from hooks.update import Update


def move(update: Update, old: str, new: str) -> None:
    """Move a file or a directory of the template; the owner's edits come along as a three-way merge.

    Nothing happens where the last update had no such file. What the owner deleted stays deleted, which includes what
    git ignores. The owner's own files in a moved directory move along. A file stays where it is, with its edits, when
    the new version does not have the new path or when the owner has a file of that name.

    Raises:
        MigrationError: the last update had both paths.
    """
    if not below(update.base, old):
        return
    for path in sorted({*below(update.base, old), *below(update.mine, old)}):
        target = new + path.removeprefix(old)
        if target in update.base:
            raise MigrationError(f"{path} cannot move to {target}: the last update had both")
        if target in update.mine:
            update.touch(path, target, reason=f"{target} is a file of your own")
            continue
        update.touch(path, target)
        if path not in update.base:
            update.follows[target] = new
        for tree in (update.base, update.mine):
            if path in tree:
                tree[target] = tree.pop(path)


def keep(update: Update, path: str) -> None:
    """Leave a file that the new version does not have to the owner, who has it."""
    if path in update.base and path in update.mine and path not in update.new:
        del update.base[path]
        update.touch(path)


def keep_edits(update: Update) -> None:
    """Leave the files that the new version does not have where they are if the owner edited them, and name them.

    Run it behind all other steps: where a file moved, it is not gone.
    """
    for path in sorted(update.base.keys() - update.new.keys()):
        if path in update.mine and not update.mine[path].same(update.base[path]):
            update.touch(path)
            update.say(f"{path}: is no longer the template's; with your edits it stays, as your own file")

"""Steps of the stage `after`: a file or a directory is somewhere else now, or is the owner's from now on."""

from hooks.errors import MigrationError
from hooks.trees import below, module_of
from hooks.update import Update


def move(update: Update, old: str, new: str, *, own: bool = True) -> None:
    """Move a file or a directory of the template; the owner's edits come along as a three-way merge.

    Nothing happens where the last update had no such file. What the owner deleted stays deleted, which includes what
    git ignores. The owner's own files in a moved directory move along if `own` is set. A file stays where it is, with
    its edits, when the new version does not have the new path or when the owner has a file of that name.

    Raises:
        MigrationError: the last update had both paths.
    """
    if not below(update.base, old):
        return
    for path in sorted({*below(update.base, old), *(below(update.mine, old) if own else ())}):
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


def settle_own(update: Update, folder: str, elsewhere: str = "") -> dict[str, str]:
    """Leave the owner's own files where a directory of the template was, or move them elsewhere.

    Run it behind `move(…, own=False)` of that directory. It returns what `rename_modules` needs to know: the names of
    these modules, which are no longer in the package that the template's are in.
    """
    names: dict[str, str] = {}
    for path in below(update.mine, folder):
        target = (elsewhere or folder) + path.removeprefix(folder)
        if target != path and target not in update.mine:
            update.touch(path, target)
            update.mine[target] = update.mine.pop(path)
        names[module_of(path)] = module_of(target if target in update.mine else path)
    return names


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


def keep_lines(update: Update, path: str) -> None:
    """Leave a file that is in all versions to the owner as it is, since what it lists became the owner's."""
    if path in update.base and path in update.new:
        update.base[path] = update.new[path]
        update.touch(path)

"""Names modules that cannot be imported any more, because the update brought a package of the same name."""

from collections.abc import Iterable

from hooks.git import git
from hooks.update import Update

_LISTED = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")


def name_hidden(update: Update) -> None:
    """Say which modules are hidden now, and were not in the last commit."""
    listed = git(*_LISTED, cwd=update.project).decode(errors="surrogateescape").split("\0")
    now = [path for path in listed if path and (update.project / path).is_file()]
    for package in sorted(_hiding(now) - _hiding(update.head)):
        update.say(f"{package}.py: hidden by the package {package}/; rename yours, and its imports")


def _hiding(paths: Iterable[str]) -> set[str]:
    """Return the packages that hide a module."""
    names = set(paths)
    return {name.removesuffix(".py") for name in names if name.removesuffix(".py") + "/__init__.py" in names}

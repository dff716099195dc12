"""Finds modules that cannot be imported any more, because a merge brought a module or a package of the same name."""

from collections.abc import Iterable
from pathlib import PurePosixPath

from dev.template.project import Project


def hidden(project: Project) -> list[str]:
    """Return a line for each module or folder that is hidden now, and was not in the last commit."""
    return sorted(_hidden(project.files()) - _hidden(project.tracked()))


def _hidden(paths: Iterable[str]) -> set[str]:
    modules = {path.removesuffix(".py") for path in paths if path.endswith(".py")}
    folders = {parent.as_posix() for module in modules for parent in PurePosixPath(module).parents}
    return {
        f"{name}.py, by the package {name}/" if f"{name}/__init__" in modules else f"{name}/, by {name}.py"
        for name in modules & folders
    }

"""Finds imports of modules that are gone."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from dev.template.project import Project


def module(path: str) -> str:
    """Return the module name of a file: `src/app/platform/db/dao/__init__.py` is `app.platform.db.dao`."""
    return ".".join(Path(path.removeprefix("src/")).with_suffix("").parts).removesuffix(".__init__")


def dangling(project: Project, gone: Iterable[str]) -> list[str]:
    """Return a line for each import of a file that is gone."""
    # new files as well, which may import what the owner renamed
    files = {name: project.root / name for name in project.files() if name.endswith(".py")}
    # a module that became a package, or the other way round, is still there
    modules = {module(path) for path in gone if path.endswith(".py")} - {module(name) for name in files}
    return [
        f"{name} imports {wanted}"
        for name, file in sorted(files.items())
        for wanted in sorted(modules & set(_imports(file, module(name))))
    ]


def _imports(file: Path, name: str) -> Iterator[str]:
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError:
        # conflict markers, for example, which are reported elsewhere
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # a relative import starts from the package of the file
            parts = name.split(".")
            depth = len(parts) - node.level + (file.name == "__init__.py")
            origin = ".".join([*(parts[:depth] if node.level else []), *filter(None, [node.module])])
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)

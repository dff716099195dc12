"""Finds imports of modules that are gone."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from dev.template.project import Project, git


def module(path: str) -> str:
    """Return the module name of a file: `src/app/platform/db/dao/__init__.py` is `app.platform.db.dao`."""
    return ".".join(Path(path.removeprefix("src/")).with_suffix("").parts).removesuffix(".__init__")


def dangling(project: Project, gone: Iterable[str]) -> list[str]:
    """Return a line for each import of a file that is gone."""
    modules = {module(path) for path in gone if path.endswith(".py")}
    names = git("ls-files", "-z", "--", "*.py", cwd=project.root).decode().split("\0")
    files = {name: project.root / name for name in names if name and (project.root / name).is_file()}
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

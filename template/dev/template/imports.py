"""Python files that import what is no longer there."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from dev.template.project import Project, git


def module(path: str) -> str:
    """The name by which a file is imported: `src/app/platform/db/dao/__init__.py` is `app.platform.db.dao`."""
    return ".".join(Path(path.removeprefix("src/")).with_suffix("").parts).removesuffix(".__init__")


def dangling(project: Project, gone: Iterable[str]) -> list[str]:
    """One line for each file that imports one of the files that are gone."""
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
        # such as conflict markers, which are reported anyway
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # relative ones count from the package the file is in
            parts = name.split(".")
            depth = len(parts) - node.level + (file.name == "__init__.py")
            origin = ".".join([*(parts[:depth] if node.level else []), *filter(None, [node.module])])
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)

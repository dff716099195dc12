"""A step of the stage `after`: what the owner's remaining files need of the template's does not leave them."""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from hooks.files import keep
from hooks.relative import absolute
from hooks.source import Source, UnreadableError
from hooks.trees import File
from hooks.update import Update

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_NEW_PACKAGE = b'"""Modules of this service."""\n'


def keep_needed(update: Update) -> None:
    """Leave helpers and fixtures to the owner that own files, or edited ones, use; and what these use in turn.

    Run it behind `rename_modules`: a module that moved is needed only if it is still imported from where it was.
    """
    waiting = sorted(path for path in update.mine if _is_own(update, path))
    while waiting:
        path = waiting.pop(0)
        for needed in sorted(_needed(update, path)):
            if _stays(update, needed):
                update.say(f"{needed}: is no longer the template's; it stays as your own file, since {path} needs it")
                waiting.append(needed)


def keep_packages(update: Update) -> None:
    """Leave each package with own modules its `__init__.py`; where that moved, the package gets a new one."""
    for own in [path for path in update.mine if path not in update.new and _is_own(update, path)]:
        folders = PurePosixPath(own).parents, PurePosixPath(update.mine[own].origin).parents
        for path, origin in zip(*((f"{folder}/__init__.py" for folder in each) for each in folders), strict=False):
            if _leaves(update, path):
                keep(update, path)
            elif origin in update.head and path not in update.mine and path not in update.new:
                update.mine[path] = File(update.head[origin].mode, path, lambda: _NEW_PACKAGE)
                update.touch(path)


def _is_own(update: Update, path: str) -> bool:
    return path.endswith(".py") and not update.mine[path].same(update.base.get(path))


def _leaves(update: Update, path: str) -> bool:
    """Tell whether the template takes away a file that is where it was."""
    return path in update.base and path not in update.new and path in update.mine and update.mine[path].origin == path


def _stays(update: Update, path: str) -> bool:
    """Leave a file to the owner if the template takes it away; of one that moved, a copy."""
    if _leaves(update, path):
        keep(update, path)
        return True
    if path not in update.head or path in update.mine or path in update.new:
        return False
    moved = next((file for file in update.mine.values() if file.origin == path), None)
    if moved:
        update.mine[path] = moved
        update.touch(path)
    return moved is not None


def _needed(update: Update, path: str) -> Iterator[str]:
    """Yield the files with what a file imports, and those with its fixtures."""
    source = _source(update.mine[path])
    if source is None:
        return
    for module in _imported(source, path):
        place = module.replace(".", "/")
        yield from (f"{place}.py", f"{place}/__init__.py", f"src/{place}.py", f"src/{place}/__init__.py")
    wanted = _words(source)
    for folder in PurePosixPath(path).parents:
        conftest = (folder / "conftest.py").as_posix()
        if conftest in update.mine and conftest != path and _fixtures(update.mine[conftest]) & wanted:
            yield conftest


def _imported(source: Source, path: str) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = absolute(node, path)
            yield from (module, *(f"{module}.{each.name}" for each in node.names))


def _words(source: Source) -> set[str]:
    """Return what may name a fixture: each parameter, and each string."""
    nodes = list(ast.walk(source.tree))
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return texts | {node.arg for node in nodes if isinstance(node, ast.arg)}


def _fixtures(file: File) -> set[str]:
    """Return the names of the fixtures that a module defines."""
    source = _source(file)
    functions = [node for node in source.tree.body if isinstance(node, _FUNCTIONS)] if source else []
    return {node.name for node in functions if any("fixture" in ast.unparse(each) for each in node.decorator_list)}


def _source(file: File) -> Source | None:
    try:
        return Source(file.content.decode())
    except (UnreadableError, UnicodeDecodeError):
        return None

"""Relative imports, where they would no longer find what they found: they become absolute."""

import ast
import re
from pathlib import PurePosixPath

from hooks.renames import Renames
from hooks.source import Edit, Source

_RELATIVE = re.compile(r"^[ \t]*from[ \t]+\.", re.MULTILINE)
_ORIGIN = re.compile(r"^from\s*\.[.\s]*(\w+(\s*\.\s*\w+)*\s+(?=import\b))?")


def with_absolute_imports(text: str, path: str, origin: str, renames: Renames) -> str:
    """Return a text whose relative imports mean at `path` what they meant at `origin`.

    Those that moved together with what they import stay. The others get the absolute names of before the move, which
    `rename_modules` then rewrites like all others.

    Raises:
        UnreadableError: it has relative imports but is no Python.
    """
    if not _RELATIVE.search(text):
        return text
    source = Source(text)
    edits = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            was, now = absolute(node, origin), absolute(node, path)
            if any(renames.imported(was, each.name) != (now, each.name) for each in node.names):
                start, end = source.span(node)
                edits.append(Edit(start, end, _ORIGIN.sub(f"from {was} ", source.segment(node), count=1)))
    return source.edited(edits)


def absolute(node: ast.ImportFrom, path: str) -> str:
    """Return the module that a `from` import of a file names."""
    if not node.level:
        return node.module or ""
    package = PurePosixPath(path.removeprefix("src/")).parent.parts
    return ".".join([*package[: len(package) + 1 - node.level], *filter(None, [node.module])])

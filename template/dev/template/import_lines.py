"""Merges a Python file whose imports conflict: both sides may add imports in the same place."""

import ast
import tempfile
from dataclasses import dataclass
from pathlib import Path

from dev.template.merge import Merge, lines_of, merge_into
from dev.template.project import git

# stands for the imports while everything else is merged by lines
PLACEHOLDER = "# imports\n"


@dataclass(frozen=True)
class Module:
    """A module in three parts; the imports are statements and the empty lines between them."""

    above: str
    imports: tuple[str, ...]
    below: str

    @property
    def rest(self) -> str:
        """The module without its imports."""
        return f"{self.above}{PLACEHOLDER}{self.below}"


def resolve(merge: Merge) -> None:
    """Merge again each Python file with conflicts, with its imports as a set; keep the result if nothing conflicts."""
    for path in merge.project.conflicts():
        versions = [files.get(path) for files in (merge.base, merge.before, merge.new)]
        if path.endswith(".py") and None not in versions:
            merged = _merged_bytes(*(each for each in versions if each is not None))
            if merged is not None:
                (merge.project.root / path).write_bytes(merged)
                # the path is no longer in conflict, and nothing is staged
                git("reset", "--quiet", "--", path, cwd=merge.project.root)


def _merged_bytes(base: bytes, mine: bytes, new: bytes) -> bytes | None:
    """Merge files that are UTF-8 and have Unix line ends; others keep their conflict."""
    if mine != lines_of(mine):
        return None
    try:
        merged = merged_module(*(lines_of(each).decode() for each in (base, mine, new)))
    except UnicodeDecodeError:
        return None
    return None if merged is None else merged.encode()


def merged_module(base: str, mine: str, new: str) -> str | None:
    """Return the merge of three texts; `None` if they conflict elsewhere, or are not understood."""
    parts = [split(text) for text in (base, mine, new)]
    one, other, third = parts
    if one is None or other is None or third is None:
        return None
    rest = _merged(one.rest, other.rest, third.rest)
    if rest is None or rest.count(PLACEHOLDER) != 1:
        return None
    if not _only_added(one, other) or not _only_added(one, third):
        return None
    imports = [line for line in third.imports if line not in one.imports or line in other.imports or line == "\n"]
    for number, line in enumerate(other.imports):
        if line not in one.imports and line not in imports and line != "\n":
            _insert(imports, line, other.imports[number + 1 :])
    return rest.replace(PLACEHOLDER, "".join(imports))


def split(text: str) -> Module | None:
    """Split a module; `None` if its imports are not all at the top, or have comments between them."""
    try:
        body = ast.parse(text).body
    except SyntaxError:
        return None
    numbers = [number for number, node in enumerate(body) if isinstance(node, ast.Import | ast.ImportFrom)]
    if not numbers or numbers[-1] - numbers[0] + 1 != len(numbers):
        return None
    lines = text.splitlines(keepends=True)
    nodes = [body[number] for number in numbers]
    start, end = nodes[0].lineno - 1, nodes[-1].end_lineno or 0
    imports: list[str] = []
    line = start
    for node in nodes:
        gap = lines[line : node.lineno - 1]
        if any(each.strip() for each in gap):
            return None
        line = node.end_lineno or node.lineno
        imports += [*gap, "".join(lines[node.lineno - 1 : line])]
    return Module("".join(lines[:start]), tuple(imports), "".join(lines[end:]))


def _only_added(base: Module, other: Module) -> bool:
    """Return whether every import of the base is there unchanged: two changes of one import are a real conflict."""
    return set(base.imports) <= set(other.imports)


def _insert(imports: list[str], line: str, following: tuple[str, ...]) -> None:
    """Insert an import where its section has it in alphabetical order."""
    anchor = next((each for each in following if each in imports and each != "\n"), None)
    place = imports.index(anchor) if anchor else len(imports)
    while place and imports[place - 1] != "\n" and imports[place - 1] > line:
        place -= 1
    while place < len(imports) and imports[place] != "\n" and imports[place] < line:
        place += 1
    imports.insert(place, line)


def _merged(base: str, mine: str, new: str) -> str | None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name, "mine")
        place.write_text(mine, encoding="utf-8")
        return place.read_text(encoding="utf-8") if merge_into(place, base.encode(), new.encode()) else None

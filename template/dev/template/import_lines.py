"""Merges a Python file whose imports conflict: both sides may add imports in the same place."""

import ast
import tempfile
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from dev.template.merge import Merge, lines_of, merge_into

# stands for the imports while everything else is merged by lines
PLACEHOLDER = "# imports\n"
# the longest line, with its end, as `line-length` in the template's pyproject.toml
LINE = 121


@dataclass(frozen=True)
class Module:
    """A module in three parts; the imports are statements and the empty lines between them."""

    above: str
    imports: tuple[str, ...]
    below: str

    @property
    def rest(self) -> str:
        """The module without its imports."""
        return self.rest_with(PLACEHOLDER)

    def rest_with(self, imports: str) -> str:
        """Return the module with other imports."""
        return f"{self.above}{imports}{self.below}"


def resolve(merge: Merge) -> None:
    """Merge again each Python file with conflicts, with its imports as a set; keep the result if nothing conflicts.

    Not those that a migration has merged, because `merge.before` has the imports that it rewrote.
    """
    for path in sorted({*merge.project.conflicts()} - merge.project.noted("merged")):
        versions = [files.get(path) for files in (merge.base, merge.before, merge.new)]
        if None not in versions and merge_again(merge.project.root / path, *(each or b"" for each in versions)):
            merge.project.clear_conflict(path)


def merge_again(place: Path, *versions: bytes) -> bool:
    """Merge a file that conflicts (base, mine, new) once more, with its imports as a set; return False in vain."""
    merged = _merged_bytes(*versions) if place.suffix == ".py" and all(versions) else None
    if merged is not None:
        place.write_bytes(merged)
    return merged is not None


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
    imports = _merged_imports(one, other, third)
    return None if imports is None else rest.replace(PLACEHOLDER, imports)


def split(text: str) -> Module | None:
    """Split a module; `None` if its imports are not all at the top, or have comments between them."""
    try:
        body = ast.parse(text).body
    except SyntaxError:
        return None
    numbers = [number for number, node in enumerate(body) if isinstance(node, ast.Import | ast.ImportFrom)]
    if not numbers or numbers[-1] - numbers[0] + 1 != len(numbers):
        return None
    # as Python counts them: `splitlines` also ends lines at a form feed
    lines = list(StringIO(text, newline="\n"))
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


def _merged_imports(base: Module, mine: Module, new: Module) -> str | None:
    """Merge three blocks of imports as sets; `None` if both sides changed an import that has no merge by names."""
    own, sections = sections_of(mine), sections_of(new)
    for line in set(base.imports) - set(mine.imports) - set(new.imports):
        if not any(same_module(line, each) for each in mine.imports + new.imports):
            continue
        merged = _merged_names(line, mine, new)
        if merged is None:
            return None
        for version in (own, sections):
            for section in version:
                section[:] = [merged if same_module(line, each) else each for each in section]
    here, there = ({line for section in version for line in section} for version in (own, sections))
    removed = set(base.imports) - here
    for number, section in enumerate(own):
        for line in section:
            if line not in base.imports and line not in there:
                insert(sections, line, section, own[number + 1 :])
    kept = [[line for line in section if line not in removed] for section in sections]
    return "\n".join("".join(section) for section in kept if section)


def _merged_names(line: str, mine: Module, new: Module) -> str | None:
    """Merge the changes of one `from … import …`; `None` if a side has it no longer, twice, or with comments."""
    versions = [[each for each in side.imports if same_module(line, each)] for side in (mine, new)]
    if any(len(each) != 1 for each in versions) or "#" in line + versions[0][0] + versions[1][0]:
        return None
    was, here, there = (names_of(each) for each in (line, versions[0][0], versions[1][0]))
    if was - here - there:
        return None
    return join(line, here & there | here - was | there - was)


def join(line: str, given: set[str]) -> str:
    """Return a `from … import …` of the same module with these names, as Ruff writes it."""
    names = sorted(given, key=_name_order)
    joined = f"from {line.split()[1]} import {', '.join(names)}\n"
    if len(joined) <= LINE:
        return joined
    return "\n".join([f"from {line.split()[1]} import (", *(f"    {name}," for name in names), ")\n"])


def same_module(one: str, other: str) -> bool:
    """Return whether both are `from … import …` of one module."""
    return one.startswith("from ") and one.split()[:2] == other.split()[:2]


def names_of(line: str) -> set[str]:
    """Return the names of a `from … import …`, with their aliases."""
    node = ast.parse(line).body[0]
    return {ast.unparse(name) for name in getattr(node, "names", ())}


def _name_order(name: str) -> tuple[bool, bool, str]:
    """Return the key by which Ruff sorts names: CONSTANTS, then Classes, then others."""
    return not (name.isupper() and len(name) > 1), not name[:1].isupper(), name.casefold()


def sections_of(module: Module) -> list[list[str]]:
    """Return the imports in groups, as empty lines part them."""
    sections: list[list[str]] = [[]]
    for line in module.imports:
        if line.strip():
            sections[-1].append(line)
        elif sections[-1]:
            sections.append([])
    return sections


def insert(sections: list[list[str]], line: str, section: list[str], following: list[list[str]]) -> None:
    """Insert an import into the section that its neighbours are in, or into a new one before those that follow it."""
    home = next((each for each in sections if _modules(each) & _modules(section)), None)
    if home is None:
        after = {module for each in following for module in _modules(each)}
        place = next((number for number, each in enumerate(sections) if _modules(each) & after), len(sections))
        home = []
        sections.insert(place, home)
    home.insert(next((number for number, each in enumerate(home) if _order(each) > _order(line)), len(home)), line)


def _modules(section: list[str]) -> set[str]:
    return {line.split()[1] for line in section}


def _order(line: str) -> tuple[bool, str]:
    """Return the key by which Ruff sorts the imports of a section: first `import …`, then `from …`, by module."""
    return line.startswith("from"), line.split()[1].casefold()


def _merged(base: str, mine: str, new: str) -> str | None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name, "mine")
        place.write_text(mine, encoding="utf-8")
        return place.read_text(encoding="utf-8") if merge_into(place, base.encode(), new.encode()) else None

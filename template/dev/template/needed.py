"""Puts back imports that one side no longer needs, if lines of the other side in the file use them."""

import ast

from dev.template.import_lines import insert, join, names_of, same_module, sections_of, split
from dev.template.merge import Merge


def restore(merge: Merge) -> None:
    """Put back what is missing in the Python files that both sides changed."""
    both = merge.base.keys() & merge.before.keys() & merge.new.keys()
    for path in sorted(both - merge.project.noted("merged")):
        mine, place = merge.before[path], merge.project.root / path
        if not path.endswith(".py") or mine == merge.base[path] or not place.is_file() or place.read_bytes() == mine:
            continue
        try:
            text, before, new = (each.decode() for each in (place.read_bytes(), mine, merge.new[path]))
        except UnicodeDecodeError:
            continue
        if (complete := completed(completed(text, before), new)) != text:
            place.write_bytes(complete.encode())


def completed(text: str, before: str) -> str:
    """Return a module with the imports of its earlier text whose names it uses and does not define any more."""
    module, earlier = split(text), split(before)
    if module is None or earlier is None or "\r" in text:
        return text
    sections, own = sections_of(module), sections_of(earlier)
    missing = _undefined(text)
    for number, section in enumerate(own):
        for line in section:
            # by their names in the module: `from a import b as c` is c
            if names := {name for name in names_of(line) if name.split(" as ")[-1].split(".")[0] in missing}:
                _add(sections, line, names, (section, own[number + 1 :]))
    imports = "\n".join("".join(section) for section in sections)
    return module.rest_with(imports) if sections != sections_of(module) else text


def _add(sections: list[list[str]], line: str, names: set[str], place: tuple[list[str], list[list[str]]]) -> None:
    """Add names to the import of their module, or the import to its section."""
    for section in sections:
        for number, each in enumerate(section):
            if same_module(line, each) and not {"#", "*"} & set(each):
                section[number] = join(each, names | names_of(each))
                return
    insert(sections, join(line, names) if line.startswith("from ") else line, *place)


def _undefined(text: str) -> set[str]:
    """Return the names that a module uses, but neither imports nor defines anywhere."""
    used: set[str] = set()
    known: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                used.add(name)
            case ast.Name(id=name) | ast.arg(arg=name) | ast.alias(asname=str(name)):
                known.add(name)
            case ast.ExceptHandler(name=str(name)):
                known.add(name)
            case ast.alias(name=name):
                known.add(name.partition(".")[0])
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                known.add(name)
            case _:
                pass
    return used - known

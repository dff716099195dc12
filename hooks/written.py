"""Statements written anew: names replaced, and long lines wrapped as ruff's formatter does."""

import ast
from collections.abc import Mapping

from hooks.source import Source
from hooks.statements import WIDTH


def substituted(source: Source, node: ast.AST, names: Mapping[str, str]) -> str:
    """Return the text of a statement or an expression with other texts in the place of names."""
    if not isinstance(node, ast.expr | ast.stmt):
        raise TypeError(f"{node} has no place in a text")
    text, (start, _) = source.segment(node), source.span(node)
    found = [each for each in ast.walk(node) if isinstance(each, ast.Name) and each.id in names]
    for each in sorted(found, key=lambda each: source.span(each)[0], reverse=True):
        begin, end = (place - start for place in source.span(each))
        text = text[:begin] + names[each.id] + text[end:]
    return text


def fitted(text: str, indent: int) -> str:
    """Wrap the arguments of a call that no longer fits on its line; leave all else as it is.

    Its further lines are indented as the first one is.
    """
    if "\n" in text or indent + len(text) <= WIDTH:
        return text
    source = Source(text)
    value = getattr(source.tree.body[0], "value", None)
    if not isinstance(value, ast.Call) or not (value.args or value.keywords):
        return text
    given: list[ast.expr | ast.keyword] = [*value.args, *value.keywords]
    parts = sorted(given, key=lambda part: part.col_offset)
    starts = [source.offset(1, part.col_offset) for part in parts]
    ends = [source.offset(1, part.end_col_offset or 0) for part in parts]
    head, margin = text[: source.span(value.func)[1]], " " * (indent + 4)
    line = text[starts[0] : ends[-1]]
    if len(margin + line) > WIDTH:
        line = f",\n{margin}".join(text[start:end] for start, end in zip(starts, ends, strict=True)) + ","
    return f"{head}(\n{margin}{line}\n{' ' * indent})"

"""Statements of one module that are in other files of the new version, each with the owner's edits in it."""

import ast
from collections.abc import Mapping

from hooks.additions import name_of, understand
from hooks.modules import Draft, Module
from hooks.source import Edit, Source
from hooks.trees import File
from hooks.update import Update

PLATFORM = "src/app/platform/settings.py"


class Emigrants:
    """The statements that the new version has neither where the module moves nor nowhere, but in a file of its own."""

    def __init__(self, update: Update, given: Module, own: Module, defined: Mapping[str, str]) -> None:
        self._given = given
        self._own = own
        self._defined = defined
        names = {name_of(each) for each in given.body} - {""}
        there = _defined(update.new[PLATFORM])
        self._homes: dict[str, str] = {}
        for path, file in update.new.items():
            if path.startswith("src/") and path.endswith(".py") and path != PLATFORM:
                self._homes |= dict.fromkeys(_defined(file) & (names - there - {"Settings", "load_settings"}), path)
        self._fresh = {path: update.new[path].content.decode() for path in self._homes.values()}

    def texts(self) -> list[str]:
        """Return what the owner's files become."""
        return [text for path in self._fresh if (text := self._with(self._own, path))]

    def without(self, text: str) -> str:
        """Return a text of the old module without these statements."""
        source, edits = Source(text), []
        for node in source.tree.body:
            if name_of(node) in self._homes:
                last = node.end_lineno or node.lineno
                while last < len(source.lines) and not source.lines[last].strip():
                    last += 1
                edits.append(Edit(source.starts[node.lineno - 1], source.starts[last], ""))
        return source.edited(edits)

    def settle(self, update: Update, mine: File) -> None:
        """Have the files merged whose statements the owner edited; a file whose statements are gone stays out."""
        for path in self._fresh:
            base, own = self._with(self._given, path), self._with(self._own, path)
            if base == own or path in update.mine or path in update.base:
                continue
            update.touch(path)
            update.base[path] = mine.holding(base.encode())
            if own:
                update.mine[path] = mine.holding(own.encode())

    def _with(self, module: Module, path: str) -> str:
        """Return the new file with the statements as a version of the old module has them; empty if it has none."""
        source = Source(self._fresh[path])
        there = {name_of(each): each for each in module.body}
        names = [name for name, home in self._homes.items() if home == path]
        found = [node for node in source.tree.body if name_of(node) in names and name_of(node) in there]
        understand(len(found) in {0, len(names)})
        if not found:
            return ""
        draft = Draft(self._fresh[path])
        segments = [module.source.segment(there[name_of(node)]) for node in found]
        draft.text = source.edited(
            Edit(*source.span(node), segment) for node, segment in zip(found, segments, strict=True)
        )
        return draft.import_from(module, defined=self._defined)


def _defined(file: File) -> set[str]:
    """Return the names of the classes and constants that a file defines at its top level."""
    nodes = Source(file.content.decode()).tree.body
    return {name_of(each) for each in nodes if isinstance(each, ast.ClassDef | ast.Assign)} - {""}

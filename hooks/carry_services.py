"""The carrier of `src/app/services.py`: from a dataclass and a function that fills it to one `__init__`."""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property, partial

from hooks.additions import Item, attempt, dump, name_of, names_in, shell, understand
from hooks.modules import ANCHOR, Draft, Module
from hooks.source import Source
from hooks.written import fitted, substituted

REMOVABLE = frozenset({"orders", "payments"})
_INDENT = 8


def carry_services(base: str, mine: str, fresh: str, owned: frozenset[str] = frozenset()) -> str | None:
    """Carry own services, replaced ones, and the statements that they need; what the sample had may be gone.

    `owned` names the services that were the template's and are the owner's now.
    """
    return attempt(partial(_services, owned=owned), base, mine, fresh)


def _services(base: str, mine: str, fresh: str, owned: frozenset[str]) -> str:
    given = _Old(Module(base)).without(owned)
    own, draft = _Old(Module(mine, given.module)), Draft(fresh)
    understand(shell(own.kind) == shell(given.kind) and shell(own.function) == shell(given.function))
    above, below = own.module.own("Services", "build_services")
    change = _Change(given, own, draft)
    change.remove()
    change.replace()
    draft.put(rf" *{ANCHOR}", change.added())
    for item in own.module.items(change.methods()):
        draft.text = f"{draft.text.rstrip()}\n\n{item.render(4)}"
    draft.surround(above, below, "Services", own.module.tail())
    return draft.import_from(own.module)


class _Old:
    """The old shape: a class with a field for each service, and a function that gives them as keywords."""

    def __init__(self, module: Module) -> None:
        self.module = module
        kind, function = module.find("Services"), module.find("build_services")
        understand(isinstance(kind, ast.ClassDef) and isinstance(function, ast.FunctionDef))
        self.kind, self.function = kind, function
        self.fields = {name_of(each): each for each in _body(kind) if isinstance(each, ast.AnnAssign)}
        *self.statements, last = _body(function)[1:]
        call = last.value if isinstance(last, ast.Return) else None
        self.keywords = {each.arg: each for each in call.keywords if each.arg} if isinstance(call, ast.Call) else {}
        understand(isinstance(call, ast.Call) and not call.args and len(self.keywords) == len(call.keywords))

    def without(self, owned: frozenset[str]) -> "_Old":
        """Return this without some services."""
        for name in owned:
            self.fields.pop(name, None)
            self.keywords.pop(name, None)
        return self

    def assigned(self, local: str) -> ast.stmt | None:
        """Return the statement that gives a local its only value."""
        found = [each for each in self.statements if name_of(each) == local]
        return found[0] if len(found) == 1 else None


def _body(node: ast.stmt) -> list[ast.stmt]:
    body = getattr(node, "body", [])
    return body if isinstance(body, list) else []


class _Change:
    """What the owner did to the old shape, and how it is done to the new one."""

    def __init__(self, given: _Old, own: _Old, draft: Draft) -> None:
        self._given = given
        self._own = own
        self._draft = draft

    @cached_property
    def _locals(self) -> dict[str, str]:
        """The attributes that take the place of the template's locals."""
        names = {each.value.id: name for name, each in self._given.keywords.items() if isinstance(each.value, ast.Name)}
        return {local: name for local, name in names.items() if self._given.assigned(local)}

    @cached_property
    def _statements(self) -> list[ast.stmt]:
        """The owner's statements before the call."""
        own = [each for each in self._own.statements if name_of(each) not in self._locals]
        understand(not any(self._is_other(node) for each in own for node in ast.walk(each)))
        return own

    def _is_other(self, node: ast.AST) -> bool:
        """Tell whether a node ends the function, or gives a local of the template another value."""
        if isinstance(node, ast.Name):
            return node.id in self._locals and not isinstance(node.ctx, ast.Load)
        return isinstance(node, ast.Return | ast.Yield | ast.YieldFrom)

    def methods(self) -> list[ast.stmt]:
        """Return the owner's methods of the class."""
        known = {dump(each) for each in _body(self._given.kind)}
        methods = [
            each for each in _body(self._own.kind) if dump(each) not in known and not isinstance(each, ast.AnnAssign)
        ]
        understand(all(isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) for each in methods))
        return methods

    def remove(self) -> None:
        """Take out the services that the owner took out."""
        gone = self._given.keywords.keys() - self._own.keywords.keys()
        understand(gone <= REMOVABLE)
        for name in gone:
            if node := self._line(name):
                self._draft.replace(node, "")

    def replace(self) -> None:
        """Make services as the owner makes them."""
        own_names = {name_of(each) for each in self._statements}
        for name in self._given.keywords.keys() & self._own.keywords.keys():
            value = self._value(self._own, name)
            if dump(value) == dump(self._value(self._given, name)):
                continue
            node = self._line(name)
            # what a value needs must be above it
            understand(node and not names_in(value) & own_names)
            if node:
                self._draft.replace(node, self._made(name))
        used = {each.attr for each in ast.walk(Source(self._draft.text).tree) if isinstance(each, ast.Attribute)}
        understand(not (self._given.keywords.keys() - self._own.keywords.keys()) & used)

    def added(self) -> str:
        """Return the lines of the owner's statements and services."""
        lines = "".join(self._rendered(item, item.text) for item in self._own.module.items(self._statements))
        for name, field in self._own.fields.items():
            if name in self._given.fields:
                continue
            (item,) = self._own.module.items([field])
            notes = [*item.above, *filter(None, [item.beside])]
            lines += "".join(f"{' ' * _INDENT}{note}\n" for note in notes)
            if name in self._own.keywords:
                lines += self._made(name)
            else:
                understand(field.value)
                lines += f"{' ' * _INDENT}self.{name} = {self._own.module.source.segment(field.value or field)}\n"
        return lines

    def _value(self, old: _Old, name: str) -> ast.AST:
        """Return how a service is made, be it in the call or above it."""
        value = old.keywords[name].value
        statement = old.assigned(value.id) if isinstance(value, ast.Name) and value.id in self._locals else None
        return getattr(statement, "value", value)

    def _made(self, name: str) -> str:
        """Return the lines that make a service, with the comments of its keyword."""
        value = self._value(self._own, name)
        keyword = self._own.keywords[name]
        inline = value is keyword.value
        statement = self._own.assigned(keyword.value.id) if isinstance(keyword.value, ast.Name) else None
        (item,) = self._own.module.items([keyword if inline or statement is None else statement])
        text = substituted(self._own.module.source, value, self._attributes())
        return self._rendered(item, f"self.{name} = {text}", ready=True)

    def _rendered(self, item: Item, text: str, *, ready: bool = False) -> str:
        if not ready:
            text = substituted(self._own.module.source, item.node, self._attributes())
        if "\n" not in text:
            item = replace(item, column=_INDENT)
        return item.render(_INDENT, fitted(text, _INDENT))

    def _attributes(self) -> Mapping[str, str]:
        return {local: f"self.{name}" for local, name in self._locals.items()}

    def _line(self, name: str) -> ast.stmt | None:
        """Return the statement of the new version that makes a service."""
        nodes: Iterable[ast.AST] = ast.walk(Source(self._draft.text).tree)
        wanted = dump(ast.parse(f"self.{name} = 0").body[0].targets[0])  # type: ignore[attr-defined]
        found = [each for each in nodes if isinstance(each, ast.Assign) and dump(each.targets[0]) == wanted]
        return found[0] if len(found) == 1 else None

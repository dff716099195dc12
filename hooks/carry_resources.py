"""The carrier of `src/app/resources.py`: from a dataclass and a function that opens it to `open_own`."""

import ast

from hooks.additions import attempt, dump, inserted, name_of, names_in, shell, understand
from hooks.modules import ANCHOR, Draft, Module
from hooks.source import Source

_INDENT = " " * 8
# what the template's locals are now; in this order they are bound to the names that the owner's statements use
_LOCALS = {
    "settings": "self.settings",
    "stack": "self.stack",
    "database": "self.database",
    "hasher": "self.hasher",
    "limiter": "self.limiter",
    "checks": "self.checks",
    "redis_url": "self.settings.process.redis_url",
    "http": "self.http",
    "broker": "self.broker",
}
_DEFINED = {"Check": "app.platform.resources"}


def carry_resources(base: str, mine: str, fresh: str) -> str | None:
    """Carry own fields, and the statements that open them."""
    return attempt(_resources, base, mine, fresh)


def _resources(base: str, mine: str, fresh: str) -> str:
    given = _Old(Module(base))
    own, draft = _Old(Module(mine, given.module)), Draft(fresh)
    understand(shell(own.kind) == shell(given.kind) and shell(own.function) == shell(given.function))
    understand(own.around == given.around)
    above, below = own.module.own("Resources", "open_resources")
    statements = own.module.items(inserted(given.statements, own.statements))
    fields = own.added(given)
    lines = "".join(item.render(8) for item in statements)
    lines += "".join(f"{_INDENT}self.{name} = {own.module.source.segment(value)}\n" for name, value in fields.items())
    nodes = [*(item.node for item in statements), *fields.values()]
    draft.put(rf" *{ANCHOR}", _bound(nodes, given.locals) + lines)
    _declare(draft, own, given)
    for item in own.module.items(own.methods(given)):
        draft.text = f"{draft.text.rstrip()}\n\n{item.render(4)}"
    draft.surround(above, below, "Resources", own.module.tail())
    return _complete(draft, given, own, names_in(*nodes, *(item.node for item in (*above, *below))))


class _Old:
    """The old shape: a class with a field for each resource, and a function that yields one of it."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.kind, self.function = module.find("Resources"), module.find("open_resources")
        body = getattr(self.function, "body", [])
        block = body[-1] if body else None
        understand(isinstance(block, ast.AsyncWith) and len(body) == 2)
        *self.statements, last = block.body if isinstance(block, ast.AsyncWith) else []
        self.around = [dump(each) for each in block.items] if isinstance(block, ast.AsyncWith) else []
        made = last.value if isinstance(last, ast.Expr) else None
        call = made.value if isinstance(made, ast.Yield) else None
        understand(isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Resources")
        self.fields = {name_of(each): each for each in self._body() if isinstance(each, ast.AnnAssign)}
        self.values = self._values(call) if isinstance(call, ast.Call) else {}

    def _body(self) -> list[ast.stmt]:
        return self.kind.body if isinstance(self.kind, ast.ClassDef) else []

    def _values(self, call: ast.Call) -> dict[str, ast.expr]:
        """Return what the fields are, by place or by keyword."""
        understand(not any(isinstance(each, ast.Starred) for each in call.args))
        understand(len(call.args) <= len(self.fields) and all(each.arg for each in call.keywords))
        values = dict(zip(self.fields, call.args, strict=False))
        return {**values, **{each.arg: each.value for each in call.keywords if each.arg}}

    @property
    def locals(self) -> set[str]:
        """The names of the locals that the owner's statements may use."""
        names = [each for node in self.statements for each in ast.walk(node) if isinstance(each, ast.Name)]
        return {"settings", "stack"} | {each.id for each in names if isinstance(each.ctx, ast.Store)}

    def added(self, given: "_Old") -> dict[str, ast.expr]:
        """Return what the owner's fields are.

        Raises:
            NotUnderstoodError: a field of the template's is not what it was.
        """
        for name, field in given.fields.items():
            understand(name in self.fields and dump(self.fields[name]) == dump(field))
            one, other = given.values.get(name), self.values.get(name)
            understand((one and dump(one)) == (other and dump(other)))
        own: dict[str, ast.expr] = {}
        for name, field in self.fields.items():
            if name not in given.fields:
                value = self.values.get(name) or field.value
                understand(value and not _is_field(value))
                own |= {name: value} if value else {}
        return own

    def methods(self, given: "_Old") -> list[ast.stmt]:
        """Return the owner's methods of the class."""
        known = {dump(each) for each in given._body()}  # noqa: SLF001 - of its own class
        methods = [each for each in self._body() if dump(each) not in known and not isinstance(each, ast.AnnAssign)]
        understand(all(isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) for each in methods))
        return methods


def _is_field(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "field"


def _bound(nodes: list[ast.AST], known: set[str]) -> str:
    """Return the line that gives the old locals' names to what they are now.

    Raises:
        NotUnderstoodError: one of them is given another value, which nobody would see any more.
    """
    inside = [each for node in nodes for each in ast.walk(node) if isinstance(each, ast.Name) and each.id in known]
    understand(all(isinstance(each.ctx, ast.Load) for each in inside))
    used = {each.id for each in inside}
    understand(used <= _LOCALS.keys())
    names = [name for name in _LOCALS if name in used]
    return f"{_INDENT}{', '.join(names)} = {', '.join(_LOCALS[name] for name in names)}\n" if names else ""


def _declare(draft: Draft, own: _Old, given: _Old) -> None:
    """Put the owner's annotations below the class's docstring."""
    fields = [field for name, field in own.fields.items() if name not in given.fields]
    if not fields:
        return
    node = next(each for each in Source(draft.text).tree.body if name_of(each) == "Resources")
    document = node.body[0] if isinstance(node, ast.ClassDef) else node
    source, lines = own.module.source, ""
    for item, field in zip(own.module.items(fields), fields, strict=True):
        lines += item.render(4, f"{name_of(field)}: {source.segment(field.annotation)}")
    place = Source(draft.text).starts[document.end_lineno or 0]
    draft.text = f"{draft.text[:place]}\n{lines}{draft.text[place:]}"


def _complete(draft: Draft, given: _Old, own: _Old, used: set[str]) -> str:
    """Give the owner's statements what was in the old module: `log`, and names that are elsewhere now."""
    if "log" in used:
        line = given.module.items([given.module.find("log")])[0].render(0)
        node = next(each for each in Source(draft.text).tree.body if name_of(each) == "Resources")
        place = Source(draft.text).starts[node.lineno - 1]
        draft.text = f"{draft.text[:place].rstrip()}\n\n{line}\n\n{draft.text[place:]}"
    return draft.import_from(own.module, defined=_DEFINED)

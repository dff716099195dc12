"""Carriers of 0.4.0: what owners add to the lists of routes and models arrives in the files of the new shape."""

import ast
import re
from functools import partial

from hooks.additions import attempt, dump, inserted, understand
from hooks.carry_resources import carry_resources
from hooks.carry_services import carry_services
from hooks.modules import ANCHOR, Draft, Module, bindings
from hooks.source import Edit, Source

__all__ = ["carry_dependencies", "carry_models", "carry_resources", "carry_routes", "carry_services"]

SAMPLE = frozenset({"orders", "payments"})
SAMPLE_NAMES = SAMPLE | {"Order", "OrderLine"}


def carry_routes(base: str, mine: str, fresh: str, owned: frozenset[str] = frozenset()) -> str | None:
    """Carry `src/app/api/router.py` to `src/app/routes.py`: own routers, what they need, and own statements.

    Here and below, `owned` names what was the template's and is the owner's now.
    """
    return attempt(partial(_routes, owned=owned), base, mine, fresh)


def carry_models(base: str, mine: str, fresh: str, owned: frozenset[str] = frozenset()) -> str | None:
    """Carry `src/app/models.py`: own imports and own names of `__all__`."""
    return attempt(partial(_models, owned=owned), base, mine, fresh)


def carry_dependencies(base: str, mine: str, fresh: str) -> str | None:
    """Carry `src/app/api/dependencies.py` to `src/app/dependencies.py`: own statements and what they need."""
    return attempt(_dependencies, base, mine, fresh)


def _dependencies(base: str, mine: str, fresh: str) -> str:
    given = Module(base)
    own, draft = Module(mine, given), Draft(fresh)
    draft.append(own.items(inserted(given.body, own.body)), own.tail())
    return draft.import_from(own)


def _routes(base: str, mine: str, fresh: str, owned: frozenset[str]) -> str:
    given = Module(base)
    own, draft = Module(mine, given), Draft(fresh)
    above, below = own.own("V1")
    added, gone = _elements(given, own, "V1", owned)
    understand(all(SAMPLE & set(path.split(".")) for path in gone))
    draft.put(rf" *{ANCHOR}", "".join(item.render(4, end=",") for item in own.items(added)))
    draft.surround(above, below, "ROUTERS", own.tail())
    return draft.import_from(own)


def _models(base: str, mine: str, fresh: str, owned: frozenset[str]) -> str:
    given = Module(_without_imports(base, owned))
    own, draft = Module(mine, given), Draft(fresh)
    above, below = own.own("__all__")
    added, _ = _elements(given, own, "__all__", owned)
    draft.put(rf" *{ANCHOR}", "".join(item.render(4, end=",") for item in own.items(added)))
    draft.surround(above, below, "__all__", own.tail())
    return draft.import_from(own, every=True)


def _without_imports(text: str, owned: frozenset[str]) -> str:
    """Return a module without its imports of some names."""
    source = Source(text)
    nodes = [node for node in source.tree.body if isinstance(node, ast.ImportFrom)]
    return source.edited(Edit(*source.span(node), "") for node in nodes if owned & {each.name for each in node.names})


def _elements(base: Module, mine: Module, name: str, owned: frozenset[str]) -> tuple[list[ast.expr], set[str]]:
    """Return the elements that the owner put into a tuple or a list, and what those taken out are.

    Raises:
        NotUnderstoodError: it is neither, or the order of the others is not as it was.
    """
    one, other = _listed(base, name), _listed(mine, name)
    before, after = [_path(base, each) for each in one], [_path(mine, each) for each in other]
    before = [each for each in before if not owned & {*re.findall(r"\w+", each)}]
    left = [each for each in before if each in after]
    understand(left == [each for each in after if each in before])
    return [each for each, what in zip(other, after, strict=True) if what not in before], {*before} - {*after}


def _path(module: Module, element: ast.expr) -> str:
    """Return what an element is, whatever the module that it is an attribute of is imported as."""
    if isinstance(element, ast.Attribute) and isinstance(element.value, ast.Name):
        imported = {local: key for each in module.imports for key, local in bindings(each).items()}
        return f"{imported.get(element.value.id, element.value.id)}.{element.attr}"
    return dump(element)


def _listed(module: Module, name: str) -> list[ast.expr]:
    node = module.find(name)
    value = node.value if isinstance(node, ast.Assign) else None
    understand(isinstance(value, ast.Tuple | ast.List))
    return value.elts if isinstance(value, ast.Tuple | ast.List) else []

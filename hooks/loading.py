"""How 0.3 loaded its settings: the part of `load_settings` that is about groups of the owner's own."""

import ast
import copy
from collections.abc import Mapping

from hooks.additions import dump


def without_groups(function: ast.stmt, groups: Mapping[str, str]) -> str:
    """Return the meaning of `load_settings` without what it does about groups, named by field and type."""
    stripper = _Stripper(groups)
    node = stripper.visit(copy.deepcopy(function))
    return dump(node)


class _Stripper(ast.NodeTransformer):
    """Takes out the reading of some groups, and what is done with what was read."""

    def __init__(self, groups: Mapping[str, str]) -> None:
        self._groups = groups
        self._gone: set[str] = set()

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        """Take out `search, search_problems = _read(SearchSettings)`."""
        if isinstance(node.targets[0], ast.Tuple) and self._is_read(node.value):
            self._gone |= {each.id for each in node.targets[0].elts if isinstance(each, ast.Name)}
            return None
        return self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST | None:
        """Take out `problems += search_problems`."""
        value = self.visit(node.value)
        if self._is_gone(value):
            return None
        node.value = value
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """Take the problems of a group out of a sum."""
        node.left, node.right = self.visit(node.left), self.visit(node.right)
        return node.right if self._is_gone(node.left) else node.left if self._is_gone(node.right) else node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        """Take `search is None` out of a condition."""
        left = [each for each in node.values if not self._is_gone(getattr(each, "left", each))]
        node.values = left or node.values
        return node.values[0] if len(node.values) == 1 else node

    def visit_If(self, node: ast.If) -> ast.AST | None:
        """Take out a condition that is about nothing else."""
        node.test = self.visit(node.test)
        tests = node.test.values if isinstance(node.test, ast.BoolOp) else [node.test]
        if all(self._is_gone(getattr(each, "left", each)) for each in tests):
            return None
        node.body = [self.visit(each) for each in node.body]
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Take the group out of `Settings(search=search)`."""
        node.keywords = [
            each
            for each in node.keywords
            if each.arg not in self._groups or not (self._is_gone(each.value) or self._is_read(each.value))
        ]
        return node

    def _is_read(self, node: ast.AST) -> bool:
        """Tell whether this reads one of the groups."""
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or len(node.args) != 1:
            return False
        return node.func.id in {"_read", "load"} and ast.unparse(node.args[0]) in self._groups.values()

    def _is_gone(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id in self._gone

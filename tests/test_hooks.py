"""The rules of hooks/: code that runs in other people's projects stays small and offline, and Copier calls it."""

import ast
from pathlib import Path
from sys import stdlib_module_names

import pytest

from tests.rendering import working_files
from tests.simulated import entry, module
from tests.variants import ROOT, manifest

HOOKS = [path for path in working_files() if path.parts[0] == "hooks"]
NETWORK = {"ftplib", "http", "smtplib", "socket", "socketserver", "ssl", "urllib", "xmlrpc"}
ALLOWED = (set(stdlib_module_names) - NETWORK) | {"copier", "hooks", "packaging", "yaml"}


def parsed(path: Path) -> ast.Module:
    """Parse a file with the grammar of the oldest Python that Copier supports."""
    return ast.parse((ROOT / path).read_text(), feature_version=(3, 10))


@pytest.mark.parametrize("path", HOOKS, ids=str)
def test_runs_on_copiers_own_interpreter_and_offline(path: Path) -> None:
    names: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    assert {name.partition(".")[0] for name in names} <= ALLOWED


def length(function: ast.FunctionDef) -> int:
    """Return the number of lines without signature and docstring."""
    start = function.body[1 if ast.get_docstring(function) and len(function.body) > 1 else 0]
    return (function.end_lineno or 0) - start.lineno + 1


def test_files_and_functions_are_short() -> None:
    functions = [(path, node) for path in HOOKS for node in ast.walk(parsed(path)) if isinstance(node, ast.FunctionDef)]
    assert not [f"{path}: {function.name}" for path, function in functions if length(function) > 25]
    assert not [path for path in HOOKS if len((ROOT / path).read_text().splitlines()) > 250]


def test_every_migration_is_called_in_its_release() -> None:
    """A module without an entry would never run, and would keep the modules of older releases from running."""
    entries = manifest().get("_migrations", [])
    assert entries == [entry(migration["version"]) for migration in entries]
    modules = [path.name for path in HOOKS if path.parent.name == "migrations" and path.name != "__init__.py"]
    assert modules == sorted(module(migration["version"]) for migration in entries)

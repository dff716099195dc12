"""The code of each rendered variant: small, clean, and free of the libraries that were not chosen."""

import ast
import re
import statistics
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.shell import run
from tests.variants import Variant, bare_variants, choices

Rendered = Callable[[Variant], Path]

MEDIAN_LINES = 80
MOST_LINES = 250
MOST_LINES_OF_A_FUNCTION = 25

# The questions whose answers are names of libraries.
LIBRARIES = ("db_driver", "task_queue")

# enough for tests that read Python, because additive answers only add files that are none (test_render.py)
every_code = pytest.mark.parametrize("variant", bare_variants(), ids=lambda variant: variant.id)


def python_files(root: Path, *parts: str) -> list[Path]:
    return sorted(root.joinpath(*parts).rglob("*.py"))


@cache
def parsed(content: bytes) -> ast.Module:
    """Parse Python; cached, because most files are the same in most variants."""
    return ast.parse(content)


@every_code
@pytest.mark.parametrize("question", LIBRARIES)
def test_other_libraries_are_not_mentioned(question: str, variant: Variant, rendered: Rendered) -> None:
    root = rendered(variant)
    others = set(choices()[question]) - {variant[question], "none"}
    assert not others & names_in(root / "pyproject.toml")
    for path in python_files(root):
        assert not others & imports(path), path.relative_to(root)


@every_code
def test_the_queue_library_is_known_to_one_file(variant: Variant, rendered: Rendered) -> None:
    """Only the queue's own file and manifests name a queue library; even tests are the same for all queues."""
    root = rendered(variant)
    queues = set(choices()["task_queue"]) - {"none"}
    importing = {str(path.relative_to(root)): imports(path) & queues for path in python_files(root)}
    chosen = queues & {variant["task_queue"]}
    assert {path: found for path, found in importing.items() if found} == {
        f"src/app/platform/jobs/{queue}.py": {queue} for queue in chosen
    }


def names_in(path: Path) -> set[str]:
    """Return the words of a file, also as parts of identifiers."""
    return set(re.findall(r"[a-z0-9]+", path.read_text().lower()))


def imports(path: Path) -> set[str]:
    """Return the top-level packages that a file imports."""
    nodes = list(ast.walk(parsed(path.read_bytes())))
    plain_imports = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    from_imports = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in plain_imports + from_imports}


@every_code
@pytest.mark.parametrize("command", ["check --output-format=concise", "format --check"])
def test_ruff_finds_nothing(variant: Variant, command: str, rendered: Rendered) -> None:
    """ruff uses the service's own configuration."""
    run(sys.executable, "-m", "ruff", *command.split(), "--no-cache", cwd=rendered(variant))


@every_code
def test_files_are_small(variant: Variant, rendered: Rendered) -> None:
    root = rendered(variant)
    lines = {path: len(path.read_text().splitlines()) for path in python_files(root, "src")}
    assert statistics.median(lines.values()) <= MEDIAN_LINES
    assert not {str(path.relative_to(root)): count for path, count in lines.items() if count > MOST_LINES}


@every_code
def test_functions_are_small(variant: Variant, rendered: Rendered) -> None:
    root = rendered(variant)
    long = {
        f"{path.relative_to(root)}: {node.name}": body_lines(node)
        for path in python_files(root, "src")
        for node in ast.walk(parsed(path.read_bytes()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body_lines(node) > MOST_LINES_OF_A_FUNCTION
    }
    assert not long


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the number of lines from the first to the last statement, without signature and docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0

"""Each rendered variant is complete, clean, and free of the answers that were not chosen.

Not every combination with additive answers is rendered; tests/variants.py explains why that is enough.
"""

import ast
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rendering import copier, fingerprint, render, rendered_files
from tests.shell import environment, run
from tests.test_template_rules import exclusions, files_of, plain, targets
from tests.variants import (
    ADDITIVE,
    Variant,
    all_variants,
    bare_variants,
    choices,
    questions,
    rendered_variants,
    structural_variants,
)

Rendered = Callable[[Variant], Path]

MEDIAN_LINES = 80
MOST_LINES = 250
MOST_LINES_OF_A_FUNCTION = 25

# Jinja delimiters, which are followed by a space; not GitHub's ${{ }} or the braces of f-strings.
LEFTOVER = re.compile(r"(?<!\$)\{[{%#]-? [a-z_]|[a-z_)\]\"'] -?[%#]\}")

# The questions whose answers are names of libraries.
LIBRARIES = ("db_driver", "task_queue")
ONLY_FOR_JOBS = {"aiohttp", "stamina"}

every_variant = pytest.mark.parametrize("variant", rendered_variants(), ids=lambda variant: variant.id)

# enough for tests that read Python, because of test_additive_answers_only_add_files_that_are_no_python
every_code = pytest.mark.parametrize("variant", bare_variants(), ids=lambda variant: variant.id)

# enough for tests of the rendering itself: every pair of answers occurs
every_structure = pytest.mark.parametrize("variant", structural_variants(), ids=lambda variant: variant.id)


def python_files(root: Path, *parts: str) -> list[Path]:
    return sorted(root.joinpath(*parts).rglob("*.py"))


@cache
def parsed(content: bytes) -> ast.Module:
    """Parse Python; cached, because most files are the same in most variants."""
    return ast.parse(content)


@cache
def parse(suffix: str, content: bytes) -> None:
    """Parse a file according to its suffix."""
    if suffix == ".toml":
        tomllib.loads(content.decode())
    elif suffix in {".yml", ".yaml"}:
        list(yaml.safe_load_all(content))
    elif suffix == ".py":
        compile(content, "rendered", "exec", dont_inherit=True)


@cache
def leftover(content: bytes) -> str:
    """Return leftover Jinja; cached, because most files are the same in most variants."""
    found = LEFTOVER.search(content.decode())
    return found[0] if found else ""


@every_variant
def test_no_jinja_is_left(variant: Variant, rendered: Rendered) -> None:
    for path, content in rendered_files(rendered(variant)).items():
        assert not path.endswith(".jinja")
        assert not leftover(content), f"{path}: {leftover(content)}"


@every_variant
def test_no_file_is_empty(variant: Variant, rendered: Rendered) -> None:
    assert not [path for path, content in rendered_files(rendered(variant)).items() if not content.strip()]


@every_variant
def test_text_ends_with_one_line_break(variant: Variant, rendered: Rendered) -> None:
    files = rendered_files(rendered(variant))
    assert not [path for path, text in files.items() if not text.endswith(b"\n") or text.endswith(b"\n\n")]


@every_variant
def test_every_format_parses(variant: Variant, rendered: Rendered) -> None:
    for path, content in rendered_files(rendered(variant)).items():
        try:
            parse(Path(path).suffix, content)
        except (SyntaxError, ValueError, yaml.YAMLError) as error:
            pytest.fail(f"{path}: {error}")


@every_variant
def test_the_answers_file_is_complete(variant: Variant, rendered: Rendered) -> None:
    answers = yaml.safe_load((rendered(variant) / ".copier-answers.yml").read_text())
    assert {"_commit", "_src_path", *questions()} == answers.keys()
    assert {name: answers[name] for name in choices()} == dict(variant.answers)


@every_variant
def test_all_files_of_the_answers_are_there_and_no_others(variant: Variant, rendered: Rendered, template: Path) -> None:
    """Only copier.yml excludes files; compare with the whole tree, to find patterns that exclude too much."""
    excluded = [
        path.removeprefix("/")
        for (question, owners), paths in exclusions().items()
        for path in paths
        if variant[question] not in owners
    ]
    expected = {
        ".copier-answers.yml" if "{{" in str(path) else str(plain(path))
        for path in files_of(template / "template", template)
        if not any(plain(path).is_relative_to(each) for each in excluded)
    }
    assert set(rendered_files(rendered(variant))) == expected


@every_variant
def test_additive_answers_only_add_files_that_are_no_python(variant: Variant, rendered: Rendered) -> None:
    bare = variant.but(**{name: questions()[name]["default"] for name in ADDITIVE})
    files, without = rendered_files(rendered(variant)), rendered_files(rendered(bare))
    assert not [path for path in files.keys() - without.keys() if path.endswith(".py")]
    assert [path for path, text in without.items() if files.get(path) != text] in ([], [".copier-answers.yml"])


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


@every_code
def test_what_only_jobs_need_is_not_installed_without_them(variant: Variant, rendered: Rendered) -> None:
    named = names_in(rendered(variant) / "pyproject.toml")
    assert named & ONLY_FOR_JOBS == (set() if variant["task_queue"] == "none" else ONLY_FOR_JOBS)


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


@every_structure
def test_trust_and_pytest_copie_change_nothing(
    variant: Variant, rendered: Rendered, template: Path, copie: Any
) -> None:
    """`copier copy` without trust renders the same as Copier's Python interface with trust."""
    result = copie.copy(dict(variant.answers), template_dir=template)
    assert result.exit_code == 0, result.exception
    assert result.answers.keys() == questions().keys()
    assert rendered_files(result.project_dir) == rendered_files(rendered(variant))


def test_rendering_is_the_same_later_elsewhere_and_in_another_order(
    rendered: Rendered, template: Path, tmp_path: Path
) -> None:
    for variant in reversed(structural_variants()):
        answers = dict(reversed(variant.answers))
        again = render(
            template, tmp_path / variant.id, answers, PYTHONHASHSEED="7", TZ="Pacific/Apia", LC_ALL="C", USER="someone"
        )
        assert fingerprint(again) == fingerprint(rendered(variant))


def isolation() -> tuple[str, ...]:
    """Return a command prefix that disables the network, if the system allows it."""
    for prefix in (("unshare", "--net"), ("unshare", "--map-root-user", "--net")):
        try:
            if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0:
                return prefix
        except FileNotFoundError:
            break
    return ()


def test_copy_needs_no_network_and_no_trust(template: Path, rendered: Rendered, tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), nowhere)
    command = ["copy", "--defaults", str(template), str(tmp_path / "service")]
    status, printed = copier(*command, cwd=tmp_path, behind=isolation(), **proxies, no_proxy="")
    assert status == 0, printed
    assert rendered_files(tmp_path / "service") == rendered_files(rendered(default_variant()))


def default_variant() -> Variant:
    return next(
        each for each in all_variants() if all(each[name] == questions()[name]["default"] for name in choices())
    )


def test_the_owner_is_told_what_to_do_next(template: Path, tmp_path: Path) -> None:
    status, printed = copier("copy", "--defaults", str(template), str(tmp_path / "service"), cwd=tmp_path)
    assert status == 0
    advice = printed[printed.index("is ready. Next:") :]
    assert f"cd {tmp_path / 'service'}" in advice
    named = re.findall(r"\bmake ([a-z]+)", advice)
    assert named[:3] == ["setup", "run", "test"]
    assert set(named) <= targets(tmp_path / "service" / "Makefile")


def test_the_makefile_explains_itself(rendered: Rendered) -> None:
    printed = run("make", "help", cwd=rendered(default_variant()), env=environment())
    assert re.findall(r"^([a-z]+) +\S", printed, re.MULTILINE) == re.findall(
        r"^\.PHONY: ([a-z]+)$", (rendered(default_variant()) / "Makefile").read_text(), re.MULTILINE
    )

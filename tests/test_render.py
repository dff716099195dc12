"""Each rendered variant is complete, clean, and free of the answers that were not chosen.

Not every combination with additive answers is rendered; tests/variants.py explains why that is enough.
"""

import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.exclusions import exclusions, files_of, plain
from tests.rendering import copier, fingerprint, render, rendered_files
from tests.shell import environment, run
from tests.test_template_rules import targets
from tests.variants import (
    ADDITIVE,
    Variant,
    all_variants,
    choices,
    few_variants,
    questions,
    rendered_variants,
    structural_variants,
)

Rendered = Callable[[Variant], Path]

# Jinja delimiters, which are followed by a space; not GitHub's ${{ }} or the braces of f-strings.
LEFTOVER = re.compile(r"(?<!\$)\{[{%#]-? [a-z_]|[a-z_)\]\"'] -?[%#]\}")

every_variant = pytest.mark.parametrize("variant", rendered_variants(), ids=lambda variant: variant.id)


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


@pytest.mark.parametrize("variant", few_variants(), ids=lambda variant: variant.id)
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
    root = tmp_path / "Ada's service"
    status, printed = copier("copy", "--defaults", str(template), str(root), cwd=tmp_path)
    assert status == 0
    advice = printed[printed.index("is ready. Next:") :]
    command = next(line for line in advice.splitlines() if line.strip().startswith("cd "))
    assert shlex.split(command) == ["cd", str(root)]
    named = re.findall(r"\bmake ([a-z]+)", advice)
    assert named[:3] == ["setup", "run", "test"]
    assert set(named) <= targets(root / "Makefile")


def test_the_makefile_explains_itself(rendered: Rendered) -> None:
    printed = run("make", "help", cwd=rendered(default_variant()), env=environment())
    assert re.findall(r"^([a-z]+) +\S", printed, re.MULTILINE) == re.findall(
        r"^\.PHONY: ([a-z]+)$", (rendered(default_variant()) / "Makefile").read_text(), re.MULTILINE
    )

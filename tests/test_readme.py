"""The README is correct about questions, commands and files."""

import re

import pytest

from tests.cases import cases
from tests.exclusions import plain
from tests.test_render import every_variant
from tests.test_rendered_code import every_code
from tests.test_template_rules import targets
from tests.variants import ROOT, all_variants, choices, manifest, questions

README = (ROOT / "README.md").read_text()


def rows() -> dict[str, str]:
    """Return the rows of the table of questions: the first table whose first cells are names in code."""
    tables = re.findall(r"(?:^\|.*\|\n)+", README, re.MULTILINE)
    named = [re.findall(r"^(\| *`([a-z_]+)` *\|.*)$", table, re.MULTILINE) for table in tables]
    return {name: row for row, name in next((found for found in named if found), [])}


def test_the_options_table_has_every_question_in_order() -> None:
    assert list(rows()) == list(questions())


@pytest.mark.parametrize("name", questions())
def test_the_options_table_names_every_answer_and_the_default(name: str) -> None:
    said = set(re.findall(r"`([^`]+)`", rows()[name]))
    if name in choices():
        assert said >= set(choices()[name])
    if "{" not in str(questions()[name]["default"]):
        assert str(questions()[name]["default"]) in said


def test_commands_exist() -> None:
    """The README shows commands of this repository and of the service."""
    known = targets(ROOT / "Makefile") | targets(ROOT / "template/Makefile.jinja")
    called = re.findall(r"(?:^\s*(?:\$ )?|`)make ([a-z -]+)(?![a-z_-]*=)", README, re.MULTILINE)
    named = {word for line in called for word in line.split() if not word.startswith("-")}
    assert {"demo", "test"} <= named <= known


def test_the_numbers_of_variants_are_those_of_the_suites() -> None:
    proved = re.search(r"^- \*\*Proved\*\*:.*\n(?:  .*\n)*", README, re.MULTILINE)
    assert proved
    assert [int(number) for number in re.findall(r"\d+", proved[0])] == [
        len(all_variants()),
        len(every_variant.args[1]),
        len(every_code.args[1]),
        len([case for case in cases(None) if case.kind == "fresh"]),
    ]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "AGENTS.md"])
def test_no_other_sentence_counts_variants(name: str) -> None:
    """A number that stands in one place only cannot contradict another one."""
    text = re.sub(r"^- \*\*Proved\*\*:.*\n(?:  .*\n)*", "", (ROOT / name).read_text(), flags=re.MULTILINE)
    assert not re.findall(r"\b\d+ (?:\w+ )?(?:variants|structures|combinations)\b", text)


def test_the_oldest_copier_is_the_one_that_copier_yml_asks_for() -> None:
    assert [f"{version}.0" for version in re.findall(r"Copier ≥ ([\d.]+\d)", README)] == [
        manifest()["_min_copier_version"]
    ]


def test_files_exist() -> None:
    """The README links to files of this repository, and names files of the service by their paths."""
    assert not [path for path in re.findall(r"\]\((?!https?:)([^)#]+)\)", README) if not (ROOT / path).exists()]
    template = {str(plain(path.relative_to(ROOT / "template"))) for path in (ROOT / "template").rglob("*")}
    named = set(re.findall(r"`((?:src|docs)/[\w./-]+)`", README))
    assert named
    assert named <= template


def test_the_license_is_of_this_repository_and_not_of_services() -> None:
    assert (ROOT / "LICENSE").read_text().startswith("MIT License\n")
    assert not list((ROOT / "template").glob("LICENSE*"))
    assert "belongs to its owner" in (ROOT / "template/README.md.jinja").read_text()

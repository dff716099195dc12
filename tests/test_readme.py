"""The README's promises about questions and commands are true."""

import re

import pytest

from tests.test_template_rules import targets
from tests.variants import ROOT, choices, questions

README = (ROOT / "README.md").read_text()


def rows() -> dict[str, str]:
    """The rows of the first table whose first cells are names in code: the questions."""
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
    """Of this repository or of the service, which the README shows as well."""
    known = targets(ROOT / "Makefile") | targets(ROOT / "template/Makefile.jinja")
    called = re.findall(r"(?:^\s*(?:\$ )?|`)make ([a-z -]+)(?![a-z_-]*=)", README, re.MULTILINE)
    named = {word for line in called for word in line.split() if not word.startswith("-")}
    assert {"demo", "test"} <= named <= known

"""The exclusions in copier.yml can be read, and name what exists."""

import re

import pytest
import yaml

from tests.exclusions import EXCLUSION, TEMPLATE, conditional_entries, exclusions, files_of, owners, plain
from tests.releases import git, past_releases
from tests.variants import ROOT, STRUCTURAL, choices, questions


def test_exclusions_name_questions_and_answers_that_exist() -> None:
    for condition, *_ in conditional_entries():
        found = EXCLUSION.fullmatch(condition)
        assert found, f'write {{% if question != "answer" %}}, one entry for each answer, not {condition}'
        assert found["answer"] in choices()[found["question"]]
        assert found["operator"] == "!=" or len(owners(found)[1]) > 1, f"name the answer they belong to: {condition}"
    assert len(exclusions()) == len(conditional_entries()), "one entry for each answer"


def test_exclusions_can_be_read_with_the_answers_of_every_release() -> None:
    """An update renders the old release with the new exclusions, in which its missing questions would be undefined."""
    manifests = [yaml.safe_load(git("show", f"{past.commit}:copier.yml", cwd=ROOT)) for past in past_releases()]
    for condition, *_ in conditional_entries():
        found = EXCLUSION.fullmatch(condition)
        assert found
        if not all(found["question"] in asked for asked in manifests):
            assert found["default"] == questions()[found["question"]]["default"], condition


@pytest.mark.parametrize("path", [path for paths in exclusions().values() for path in paths])
def test_every_excluded_path_exists(path: str) -> None:
    """A misspelt path would exclude nothing."""
    assert path.startswith("/"), "without a leading slash it would match in every directory"
    place = TEMPLATE / path.removeprefix("/")
    assert place.exists() or place.with_name(f"{place.name}.jinja").exists()


def test_no_path_belongs_to_two_answers_of_a_question() -> None:
    paths = [(question, path) for (question, _), paths in exclusions().items() for path in paths]
    assert len(paths) == len(set(paths))


def answers_with_files() -> list[tuple[str, str]]:
    """Return the structural answers, without `none`."""
    return [(name, answer) for name in STRUCTURAL for answer in choices()[name] if answer != "none"]


@pytest.mark.parametrize(("question", "answer"), answers_with_files())
def test_what_is_named_after_an_answer_belongs_to_it(question: str, answer: str) -> None:
    """`dao.py`, `test_dao.py` and `dao/` would be dead code in a service with another answer."""
    own = [path.removeprefix("/") for path in exclusions().get((question, frozenset({answer})), [])]
    name = re.compile(rf"(test_)?{answer}(\.\w+)?")
    for path in map(plain, files_of(TEMPLATE)):
        if any(name.fullmatch(part) for part in path.parts):
            assert any(path.is_relative_to(each) for each in own), f"say in copier.yml that {path} is for {answer} only"

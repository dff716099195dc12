"""Lock files, local paths and floating versions must not be committed."""

import re

import pytest

from tests.rendering import working_files
from tests.variants import ROOT


def test_no_lock_file() -> None:
    """Lock files record where packages were downloaded from."""
    locks = {"uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "package-lock.json", "yarn.lock", "pnpm-lock.yaml"}
    assert not [path for path in working_files() if path.name in locks]


FOREIGN = {
    "the host of a package registry": r"\b(pypi|pythonhosted|npmjs|yarnpkg)\s?\.\s?(org|com)\b",
    "an option that names a package index": r"^\s*--(extra-)?index-url|^\s*index-url\s*=|^\s*\[\[tool\.uv\.index\]\]",
    "a path of somebody's machine": r"(?<![\w.])/(root|work|Users)/\w|/home/(?!app\b)\w",
}


@pytest.mark.parametrize("what", FOREIGN)
def test_no_file_names_a_place_of_ours(what: str) -> None:
    pattern = re.compile(FOREIGN[what], re.MULTILINE)
    for path in working_files():
        found = pattern.search((ROOT / path).read_text(errors="replace"))
        assert not found, f"{path} holds {what}: {found and found[0]}"


@pytest.mark.parametrize("path", ["requirements.txt", "docs/requirements.txt"])
def test_requirements_are_pinned_and_nothing_else(path: str) -> None:
    lines = [line for line in (ROOT / path).read_text().splitlines() if line and line[0] != "#"]
    assert lines
    assert not [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line)]

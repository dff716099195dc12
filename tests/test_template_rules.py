"""Enforces the rules of this repository (docs: design of the template): the template stays readable and harmless."""

import re
from collections import Counter
from pathlib import Path

import pytest
from copier._template import DEFAULT_EXCLUDE

from tests import future
from tests.exclusions import TEMPLATE, files_of, plain
from tests.rendering import render, working_files
from tests.shell import CommandError
from tests.variants import ADDITIVE, ROOT, choices, manifest, questions

BODIES = ROOT / "variants"
ANSWERS_FILE = "{{ _copier_conf.answers_file }}.jinja"

MOST_PYTHON_FILES_WITH_BLOCKS = 6
# files with a value in Jinja but no blocks, which still read like Python
MOST_PYTHON_FILES_WITH_VALUES = 1
MOST_CONDITIONS = 40
MOST_CONDITIONS_IN_A_FILE = 6
MOST_CONDITIONS_IN_A_MANIFEST = 10
MANIFESTS = ("pyproject.toml", "compose.yaml")

CONDITION = re.compile(r"\{%-?\s*(if|elif)\b")
INCLUDE = re.compile(r'\{% include "variants/(\w+)/" ~ \1 ~ "/([^"]+)" -?%\}\n?')
EXPRESSION = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


def templated() -> dict[Path, str]:
    return {path: (TEMPLATE / path).read_text() for path in files_of(TEMPLATE) if path.suffix == ".jinja"}


# names


def test_no_file_name_depends_on_an_answer() -> None:
    names = [str(path) for path in files_of(TEMPLATE) if re.search(r"[{}%]", str(path))]
    assert names == [ANSWERS_FILE]


def test_every_name_is_legal_on_every_system() -> None:
    names = [str(path) for path in working_files()]
    assert not [name for name in names if re.search(r'["<>:|?*\\]', name)]
    folded = Counter(name.lower() for name in names)
    assert not [name for name, count in folded.items() if count > 1], "the same name on a system that ignores case"


# Jinja budgets


def test_few_python_files_hold_jinja() -> None:
    bodies = {path: INCLUDE.sub("", text) for path, text in templated().items() if path.name.endswith(".py.jinja")}
    blocks = [path for path, text in bodies.items() if "{%" in text]
    assert len(blocks) <= MOST_PYTHON_FILES_WITH_BLOCKS, blocks
    values = [path for path, text in bodies.items() if text and path not in blocks]
    assert len(values) <= MOST_PYTHON_FILES_WITH_VALUES, values


def test_few_conditions_in_all() -> None:
    texts = [*templated().values(), "\n".join(manifest()["_exclude"])]
    assert sum(len(CONDITION.findall(text)) for text in texts) <= MOST_CONDITIONS


def test_few_conditions_in_a_file() -> None:
    for path, text in templated().items():
        limit = MOST_CONDITIONS_IN_A_MANIFEST if plain(path).name in MANIFESTS else MOST_CONDITIONS_IN_A_FILE
        assert len(CONDITION.findall(text)) <= limit, path


def test_jinja_is_only_where_the_name_says_so() -> None:
    """Only files that contain Jinja have the suffix `.jinja`."""
    for path, text in templated().items():
        assert EXPRESSION.search(text), f"{path} holds no Jinja"
    settings = r"_copier_\w+|" + "|".join(manifest_names())
    leak = re.compile(rf"\{{\{{-?\s*({settings})\b|\{{%-?\s*(if|include|set|for)\b")
    for path in files_of(TEMPLATE):
        if path.suffix != ".jinja":
            assert not leak.search((TEMPLATE / path).read_text()), f"{path} holds Jinja that is not rendered"


def manifest_names() -> list[str]:
    return [name for name in manifest() if not name.startswith("_")]


@pytest.mark.parametrize("word", ["now", "strftime", "random", "shuffle", "uuid", "lookup", "password", "getenv"])
def test_nothing_rendered_depends_on_the_moment(word: str) -> None:
    """No dates, randomness or secrets: an update renders the old version again and must get the same files."""
    texts = {**templated(), Path("copier.yml"): (ROOT / "copier.yml").read_text()}
    for path, text in texts.items():
        for expression in EXPRESSION.findall(text):
            code = re.sub(r'"[^"]*"|\'[^\']*\'', "", expression)
            assert not re.search(rf"\b(\w+_)?{word}(_\w+)?\b", code), f"{path}: {expression}"


# copier.yml


def test_nothing_needs_trust() -> None:
    assert not {"_tasks", "_jinja_extensions"} & manifest().keys()
    for migration in manifest().get("_migrations", []):
        assert migration.get("version"), f"without a version it would run on every update: {migration}"


def test_an_undefined_name_is_an_error(template: Path, tmp_path: Path) -> None:
    def misspell(root: Path) -> None:
        readme = root / "template/README.md.jinja"
        readme.write_text(f"{readme.read_text()}\n{{{{ project_nmae }}}}\n")

    with pytest.raises(CommandError, match="project_nmae"):
        render(future.release(template, tmp_path / "future", misspell), tmp_path / "service", {})


def test_an_old_copier_is_refused() -> None:
    """Copier before 9.18 ignores multi-line entries of `_exclude`, and would render the files of all answers."""
    oldest = tuple(int(part) for part in manifest()["_min_copier_version"].split("."))
    assert oldest >= (9, 18, 0)


def test_copiers_own_exclusions_are_restated() -> None:
    """Setting `_subdirectory` drops Copier's default exclusions."""
    assert not set(DEFAULT_EXCLUDE) - set(manifest()["_exclude"])


@pytest.mark.parametrize("name", questions())
def test_every_question_explains_itself(name: str) -> None:
    details = questions()[name]
    assert re.fullmatch(r"[a-z][a-z_]*", name)
    assert details["help"].strip().endswith((".", "?"))
    assert str(details["default"]).strip()
    if "choices" in details:
        assert details["default"] in choices()[name]
    else:
        assert details["validator"].strip()


def test_question_names_are_no_yaml_booleans() -> None:
    assert all(isinstance(name, str) for name in manifest())
    assert all(isinstance(answer, str) for values in choices().values() for answer in values)


# files that belong to an answer


@pytest.mark.parametrize("question", ADDITIVE)
def test_additive_answers_decide_about_whole_files_only(question: str) -> None:
    """So not every combination of answers needs to be rendered (tests/variants.py)."""
    texts = {**templated(), **{path: (BODIES / path).read_text() for path in files_of(BODIES)}}
    for path, text in texts.items():
        assert not [found for found in EXPRESSION.findall(text) if question in found], path


def test_every_body_is_included_by_the_file_of_its_path() -> None:
    included = {(found[1], found[2]): path for path, text in templated().items() for found in INCLUDE.finditer(text)}
    bodies = {(path.parts[0], str(Path(*path.parts[2:]))) for path in files_of(BODIES)}
    assert bodies == set(included)
    for (_, body), path in included.items():
        if plain(path).suffix == ".md" and Path(body).parent == plain(path).with_suffix(""):
            # a page of the documentation has parts: docs/recipes.md has those in docs/recipes/
            continue
        assert plain(path) == Path(body)
        assert INCLUDE.fullmatch((TEMPLATE / path).read_text()), f"{path} should be the include and nothing else"


@pytest.mark.parametrize("question", sorted({path.parts[0] for path in files_of(BODIES)}))
def test_all_answers_have_the_same_bodies(question: str) -> None:
    bodies: dict[str, set[Path]] = {answer: set() for answer in choices()[question]}
    for path in files_of(BODIES / question):
        bodies[path.parts[0]].add(Path(*path.parts[1:]))
    first, *others = bodies.values()
    assert all(other == first for other in others), bodies


# commands


def targets(makefile: Path) -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", makefile.read_text(), re.MULTILINE))


@pytest.mark.parametrize("makefile", [ROOT / "Makefile", TEMPLATE / "Makefile.jinja"], ids=["template", "service"])
def test_every_target_is_in_make_help_once(makefile: Path) -> None:
    explained = re.findall(r"^([a-z][a-z-]*):.*## \S", makefile.read_text(), re.MULTILINE)
    assert sorted(targets(makefile)) == sorted(explained)

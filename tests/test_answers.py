"""Invalid answers are refused and leave no files; valid answers are rendered exactly as given."""

import ast
import re
import string
import sys
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import yaml

from tests import prepared
from tests.rendering import copier, render, rendered_files
from tests.shell import run
from tests.variants import Variant, choices, manifest, plain_variants

Rendered = Callable[[Variant], Path]

NAME = "Use 1 to 60 letters"
SLUG = "Use 2 to 40 lower-case letters"
TAKEN = "choose another one"
DESCRIPTION = "Write one line of 1 to"

ILLEGAL = [
    ("project_name", "", NAME),
    ("project_name", " ", NAME),
    ("project_name", "-dash", NAME),
    ("project_name", "Café", NAME),
    ("project_name", 'Quo"te', NAME),
    ("project_name", "Back\\slash", NAME),
    ("project_name", "Two\nlines", NAME),
    ("project_name", "Line break\n", NAME),
    ("project_name", "{{ 7 * 7 }}", NAME),
    ("project_name", "x" * 61, NAME),
    ("project_slug", "", SLUG),
    ("project_slug", "x", SLUG),
    ("project_slug", "My-Service", SLUG),
    ("project_slug", "my_service", SLUG),
    ("project_slug", "my--service", SLUG),
    ("project_slug", "-service", SLUG),
    ("project_slug", "service-", SLUG),
    ("project_slug", "1service", SLUG),
    ("project_slug", "service\n", SLUG),
    ("project_slug", "../service", SLUG),
    ("project_slug", "x" * 41, SLUG),
    ("project_slug", "fastapi", TAKEN),
    ("project_slug", "app", TAKEN),
    ("description", "", DESCRIPTION),
    ("description", "   ", DESCRIPTION),
    ("description", 'Says "hello"', DESCRIPTION),
    ("description", "Back\\slash", DESCRIPTION),
    ("description", "Two\nlines", DESCRIPTION),
    ("description", "Two\u2028lines", DESCRIPTION),
    ("description", "Line break\n", DESCRIPTION),
    ("description", "Bell\x07", DESCRIPTION),
    ("description", "Delete\x7f", DESCRIPTION),
    ("description", "{{ 7 * 7 }}", DESCRIPTION),
    ("description", "<script>", DESCRIPTION),
    ("description", "x" * 91, DESCRIPTION),
]


def refusal(template: Path, place: Path, **answers: str) -> str:
    """Give invalid answers on the command line; return the sentence of the refusal.

    Copier 9.19 always prints a traceback above the sentence; none of its frames is from the template.
    """
    target = place / "service"
    data = [part for question, answer in answers.items() for part in ("--data", f"{question}={answer}")]
    status, printed = copier("copy", "--defaults", *data, str(template), str(target), cwd=place)
    assert status not in {0, None}
    assert not target.exists()
    frames = re.findall(r'^  File "([^"]+)"', printed, re.MULTILINE)
    known = ("/copier/", "/plumbum/", "<frozen", "/multiprocessing/", prepared.__file__)
    assert all(any(each in frame for each in known) for frame in frames), printed
    return printed.strip().splitlines()[-1]


@pytest.mark.parametrize(("question", "answer", "sentence"), ILLEGAL)
def test_an_illegal_text_is_refused(template: Path, tmp_path: Path, question: str, answer: str, sentence: str) -> None:
    said = refusal(template, tmp_path, **{question: answer})
    assert f"'{question}'" in said
    assert sentence in said


@pytest.mark.parametrize("question", choices())
@pytest.mark.parametrize("answer", ["something-else", "", "None"])
def test_an_illegal_choice_is_refused(template: Path, tmp_path: Path, question: str, answer: str) -> None:
    said = refusal(template, tmp_path, **{question: answer})
    assert f"'{question}'" in said
    for legal in choices()[question]:
        assert legal in said


def test_no_direct_dependency_can_be_the_slug(template: Path, tmp_path: Path, rendered: Rendered) -> None:
    """uv cannot lock a project with the name of one of its dependencies."""
    names = installed([each for each in plain_variants() if each["task_queue"] == "none"], rendered)
    reserved = set(manifest()["reserved_slugs"]["default"])
    assert names <= reserved, f"add to reserved_slugs in copier.yml: {sorted(names - reserved)}"
    assert TAKEN in refusal(template, tmp_path, project_slug=max(names))


def installed(variants: Iterable[Variant], rendered: Rendered) -> set[str]:
    """Return the names of the services' direct dependencies."""
    said = [tomllib.loads((rendered(variant) / "pyproject.toml").read_text()) for variant in variants]
    wanted = [line for each in said for line in [*each["project"]["dependencies"], *each["dependency-groups"]["dev"]]]
    return {re.split(r"[^A-Za-z0-9-]", requirement)[0].lower() for requirement in wanted}


def reserved_for_jobs() -> set[str]:
    """Return the slugs that only a service with a queue cannot have."""
    (listed,) = re.findall(r"project_slug in (\[[^]]+\])", manifest()["task_queue"]["validator"])
    return set(ast.literal_eval(listed))


def test_what_only_jobs_install_is_reserved_with_a_queue(rendered: Rendered) -> None:
    names = installed(plain_variants(), rendered)
    assert names - set(manifest()["reserved_slugs"]["default"]) == reserved_for_jobs()


@pytest.mark.parametrize("slug", sorted(reserved_for_jobs()))
def test_a_slug_that_jobs_install_is_refused_with_a_queue_only(template: Path, tmp_path: Path, slug: str) -> None:
    for queue in set(choices()["task_queue"]) - {"none"}:
        said = refusal(template, tmp_path, project_slug=slug, task_queue=queue)
        assert "'task_queue'" in said
        assert f'The short name "{slug}"' in said
    root = render(template, tmp_path / "service", {"project_slug": slug, "task_queue": "none"})
    assert yaml.safe_load((root / ".copier-answers.yml").read_text())["project_slug"] == slug


LEGAL = [
    {"project_name": "A"},
    {"project_name": "x" * 60},
    {"project_name": "a.b-c_d 9"},
    {"project_name": "9 Lives"},
    {"project_name": "2048"},
    {"project_name": "FastAPI"},
    {"project_name": "Mine - - -"},
    {"project_name": "on"},
    {"project_slug": "a1"},
    {"project_slug": "x" * 40},
    {"description": "It's 100% $HOME & co # no comment: `yes`; 'quoted' $X $(Y) %s %(z)s | tee"},
    {"description": "Служба — naïve café №1 ✓ 注文"},
    {"description": "- a dash first"},
    {"description": "null"},
    {"description": "1.0"},
    {"description": "  spaces around  "},
    {"description": "x" * 90},
    {"description": "many words " * 8},
]


@pytest.mark.parametrize("answers", LEGAL, ids=lambda answers: "-".join(answers.values())[:24])
def test_a_tricky_answer_is_kept(template: Path, tmp_path: Path, rendered: Rendered, answers: dict[str, str]) -> None:
    root = render(template, tmp_path / "service", answers)
    kept = yaml.safe_load((root / ".copier-answers.yml").read_text())
    assert {name: str(kept[name]) for name in answers} == answers
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert project["name"] == kept["project_slug"]
    assert project["description"] == str(kept["description"])
    application = arguments_of(root / "src/app/main.py", "FastAPI")
    assert application["title"] == str(kept["project_name"])
    assert application["description"] == str(kept["description"])
    # test_render.py checks files that do not depend on these answers
    usual = rendered_files(rendered(plain_variants()[0]))
    touched = [path for path, text in rendered_files(root).items() if path.endswith(".py") and text != usual[path]]
    assert touched
    for command in ("check --output-format=concise", "format --check"):
        run(sys.executable, "-m", "ruff", *command.split(), "--no-cache", *touched, cwd=root)


def arguments_of(path: Path, function: str) -> dict[str, object]:
    """Return the literal keyword arguments of the only call of a function in a file."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    (call,) = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == function]
    return {each.arg: each.value.value for each in call.keywords if each.arg and isinstance(each.value, ast.Constant)}


ODD_NAMES = [
    *string.ascii_uppercase[:2],
    "7",
    "0 _ . -",
    "x" * 60,
    f"{'x' * 39} tail",
    f"{'ab ' * 20}".strip(),
    "Redis",
    "pydantic",
    "PyTest",
    "App",
    "a-",
    "_.",
]


@pytest.mark.parametrize("name", [name for name in ODD_NAMES if name[0].isalnum()])
def test_a_slug_derived_from_an_odd_name_is_legal(template: Path, tmp_path: Path, name: str) -> None:
    """An invalid default would be refused although the user did not choose it."""
    command = ["copy", "--defaults", "--pretend", "--data", f"project_name={name}"]
    status, printed = copier(*command, str(template), str(tmp_path / "service"), cwd=tmp_path)
    assert status == 0, printed

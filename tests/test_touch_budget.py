"""Switching an answer changes few and predictable files: the fewer it changes, the fewer conflicts an update has."""

import re
from collections.abc import Callable
from difflib import ndiff
from itertools import combinations
from pathlib import Path

import pytest

from tests.rendering import rendered_files
from tests.variants import ROOT, Variant, choices, rendered_variants

ANSWERS = r"\.copier-answers\.yml"

# The files that a switch of each question may change, as patterns for whole paths. Add an entry for a new question.
BUDGETS = {
    "db_driver": (ANSWERS, r"src/app/platform/db/(connecting|copying|driver|listen)\.py", r"pyproject\.toml"),
    "data_access": (
        ANSWERS,
        # files named after the style
        r"(.*/)?(test_)?(dao|repository)\.py",
        r".*/dao/.*",
        # the same path with different content
        r"src/app/features/[a-z_]+/service\.py",
        # documents that explain the style
        r"README\.md",
        r"AGENTS\.md",
        r"docs/(data-access|features|recipes)\.md",
    ),
    "pool_profile": (
        ANSWERS,
        r"src/app/platform/settings\.py",
        r"docs/settings\.md",
        # the connections that the database has
        r"deploy/kubernetes/overlays/\w+/kustomization\.yaml",
        r"compose\.yaml",
    ),
    "task_queue": (
        ANSWERS,
        # files of services with a queue
        r"src/app/jobs\.py",
        r"(src/app|tests)/features/payments/.*",
        r"src/app/platform/jobs/.*",
        r"src/app/platform/db/listen\.py",
        r"tests/support/outbox\.py",
        r"dev/(jobs_gone|worker)\.py",
        r"migrations/jobs/.*",
        r"docs/jobs\.md",
        r"docs/adr/0004-jobs-wait-in-postgresql\.md",
        # composition files, and the platform's settings, resources and list of tables
        r"src/app/(__main__|config|services)\.py",
        r"src/app/platform/(job_processes|models|resources|settings)\.py",
        r"dev/services\.py",
        # manifests, and documents that mention jobs
        r"pyproject\.toml",
        r"alembic\.ini",
        r"Makefile",
        r"\.env\.example",
        r"compose\.yaml",
        r"deploy/kubernetes/base/(kustomization|worker)\.yaml",
        r"deploy/observability/(tests/)?\w+_of_jobs\.(json|yaml)",
        r"deploy/systemd/worker\.service",
        r"docs/deployment\.md",
        r"deploy/kubernetes/overlays/production/kustomization\.yaml",
        r"README\.md",
        r"AGENTS\.md",
    ),
    "sample": (
        ANSWERS,
        # the features, their table and their tests
        r"(src/app|tests)/features/(orders|payments)/.*",
        r"migrations/service/0002_orders\.py",
        r"tests/api/test_order(s|_imports|_keys)\.py",
        r"tests/fuzz/schemathesis\.toml",
        r"tests/make_load/journey\.py",
        # the lines that name them
        r"src/app/(config|jobs|services)\.py",
        r"pyproject\.toml",
        r"\.env\.example",
        r"README\.md",
        r"docs/(caching|removing-the-sample)\.md",
    ),
    "ci_provider": (ANSWERS, r"\.github/workflows/\w+\.yml", r"\.gitlab-ci\.yml"),
    "with_kubernetes": (ANSWERS, r"deploy/kubernetes/.*"),
}

# The changes allowed in a switch between queue libraries: whole files, and a maximum of lines in other files.
_ADAPTERS = {f"src/app/platform/jobs/{queue}.py" for queue in ("arq", "celery", "celery_redis")}
LIBRARY_FILES = {".copier-answers.yml", "src/app/platform/job_processes.py", *_ADAPTERS}
LIBRARY_LINES = {
    "AGENTS.md": 1,
    "src/app/platform/resources.py": 1,
    "src/app/platform/settings.py": 4,
    "pyproject.toml": 10,
}

Rendered = Callable[[Variant], Path]


def neighbours(question: str) -> list[tuple[Variant, Variant]]:
    """Return all pairs of rendered variants that differ in this answer only."""

    def others(variant: Variant) -> list[tuple[str, str]]:
        return [(name, answer) for name, answer in variant.answers if name != question]

    return [(one, other) for one, other in combinations(rendered_variants(), 2) if others(one) == others(other)]


def changed(one: dict[str, bytes], other: dict[str, bytes]) -> set[str]:
    return {path for path in one.keys() | other.keys() if one.get(path) != other.get(path)}


def test_every_question_has_a_budget() -> None:
    assert set(BUDGETS) == set(choices())


@pytest.mark.parametrize("question", BUDGETS)
def test_a_switch_stays_within_its_budget(question: str, rendered: Rendered) -> None:
    allowed = re.compile("|".join(f"({pattern})" for pattern in BUDGETS[question]))
    for one, other in neighbours(question):
        paths = changed(rendered_files(rendered(one)), rendered_files(rendered(other)))
        excess = sorted(path for path in paths if not allowed.fullmatch(path))
        assert not excess, f"{one.id} and {other.id} differ in {excess}"


@pytest.mark.parametrize("document", ["README.md", "template/docs/template.md"])
@pytest.mark.parametrize("question", ["db_driver", "pool_profile"])
def test_the_documents_name_what_a_switch_of_a_value_changes(document: str, question: str, rendered: Rendered) -> None:
    """The last row of a table, or the item of a list, about the question."""
    row = rf"^\| `{question}` \|.*$|^- `{question}`:.*\n(?:  .*\n)*"
    said = re.findall(row, (ROOT / document).read_text(), re.MULTILINE)[-1]
    trees = [[rendered_files(rendered(each)) for each in pair] for pair in neighbours(question)]
    paths = {path for one, other in trees for path in changed(one, other)} - {".copier-answers.yml", "pyproject.toml"}
    names = {"deploy/kubernetes/" if path.startswith("deploy/kubernetes/") else Path(path).name for path in paths}
    assert names
    assert not [name for name in names if name not in said]


@pytest.mark.parametrize("question", BUDGETS)
def test_a_switch_has_an_effect(question: str, rendered: Rendered) -> None:
    for one, other in neighbours(question):
        paths = changed(rendered_files(rendered(one)), rendered_files(rendered(other)))
        assert paths - {".copier-answers.yml"}, f"{one.id} and {other.id} are the same service"


def test_the_pool_profile_changes_one_line(rendered: Rendered) -> None:
    for one, other in neighbours("pool_profile"):
        before, after = (
            (rendered(each) / "src/app/platform/settings.py").read_text().splitlines() for each in (one, other)
        )
        differing = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
        assert len(differing) == 1, f"{one.id} and {other.id}: {differing}"


def test_the_libraries_of_a_queue_are_exchanged_by_a_few_lines(rendered: Rendered) -> None:
    for one, other in neighbours("task_queue"):
        if "none" in {one["task_queue"], other["task_queue"]}:
            continue
        before, after = (rendered_files(rendered(each)) for each in (one, other))
        lines = {path: new_lines(before, after, path) for path in changed(before, after) - LIBRARY_FILES}
        excess = {path: found for path, found in lines.items() if len(found) > LIBRARY_LINES.get(path, 0)}
        assert not excess, f"{one.id} and {other.id} differ in {excess}"


def new_lines(before: dict[str, bytes], after: dict[str, bytes], path: str) -> list[str]:
    old, new = (files.get(path, b"").decode().splitlines() for files in (before, after))
    return [line[2:] for line in ndiff(old, new) if line.startswith("+ ")]


# Tests that are identical in all variants, or in all variants with a queue. Because the same tests pass with all
# answers, the answers are interchangeable.
WITH_SAMPLE = [each for each in rendered_variants() if each["sample"] == "orders"]
CONTRACTS = {
    "tests/api/test_[a-np-z]*.py": rendered_variants(),
    "tests/features/users/test_service.py": rendered_variants(),
    "tests/api/*.py": WITH_SAMPLE,
    "tests/features/orders/test_service.py": WITH_SAMPLE,
    "tests/features/payments/*": [each for each in WITH_SAMPLE if each["task_queue"] != "none"],
}


@pytest.mark.parametrize("pattern", CONTRACTS)
def test_the_contract_is_the_same_in_all_variants(pattern: str, rendered: Rendered) -> None:
    def contract(variant: Variant) -> dict[str, bytes]:
        root = rendered(variant)
        return {str(path.relative_to(root)): path.read_bytes() for path in root.glob(pattern) if path.is_file()}

    first, *others = CONTRACTS[pattern]
    expected = contract(first)
    assert expected, f"no file matches {pattern}"
    for variant in others:
        assert not changed(expected, contract(variant)), f"{variant.id} differs from {first.id}"

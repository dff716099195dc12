"""This repository's workflows are valid and harmless, and run every test file in exactly one job."""

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.shell import run
from tests.test_template_rules import targets
from tests.variants import ROOT, manifest, matrix

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
WELL_KEPT = {"actions/checkout", "actions/setup-python"}
# what the job that publishes the documentation needs besides, and no other job
PUBLISHING = {"actions/upload-pages-artifact", "actions/deploy-pages"}
MAY_PUBLISH = {"publish": {"pages": "write", "id-token": "write"}}
# a job on systems that may have no make
WITHOUT_MAKE = "elsewhere"

Document = dict[Any, Any]

every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def load(path: Path) -> Document:
    loaded: Document = yaml.safe_load(path.read_text())
    return loaded


def steps(path: Path) -> Iterator[tuple[str, Document]]:
    """Yield each step with the name of its job."""
    for name, job in load(path)["jobs"].items():
        for step in job["steps"]:
            yield name, step


def commands(path: Path) -> list[str]:
    """Return the commands of all jobs on systems with make."""
    return [step["run"] for name, step in steps(path) if "run" in step and name != WITHOUT_MAKE]


def test_they_are_valid() -> None:
    paths = [str(path) for path in WORKFLOWS]
    run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *paths, cwd=ROOT)


@every_workflow
def test_they_call_targets_that_exist(path: Path) -> None:
    called = [re.findall(r"\bmake (?:--[a-z-]+ )*([a-z-]+)", command) for command in commands(path)]
    assert all(len(found) == 1 for found in called), "nothing but make, so that each job can be run on any machine"
    assert {name for (name,) in called} <= targets(ROOT / "Makefile")


@every_workflow
def test_they_need_no_secret_and_may_only_read_and_publish_pages(path: Path) -> None:
    assert load(path)["permissions"] == {"contents": "read"}
    more = {name: job["permissions"] for name, job in load(path)["jobs"].items() if "permissions" in job}
    assert more == (MAY_PUBLISH if path.stem == "pages" else {})
    assert not re.search(r"secrets\.|github\.token", path.read_text())


@every_workflow
def test_they_end_and_do_not_pile_up(path: Path) -> None:
    assert load(path)["concurrency"]
    assert all(job["timeout-minutes"] <= 60 for job in load(path)["jobs"].values())


@every_workflow
def test_they_use_well_kept_actions_and_the_whole_history(path: Path) -> None:
    used = [step for _, step in steps(path) if "uses" in step]
    expected = WELL_KEPT | (PUBLISHING if path.stem == "pages" else set())
    assert {step["uses"].partition("@")[0] for step in used} == expected
    for step in used:
        if step["uses"].startswith("actions/checkout@"):
            assert step["with"] == {"fetch-depth": 0, "persist-credentials": False}


def test_every_test_file_is_in_exactly_one_job() -> None:
    """A job either names its files, or names the files that it ignores."""
    existing = {path.name for path in (ROOT / "tests").glob("test_*.py")}
    workflow = load(ROOT / ".github/workflows/ci.yml")
    left_out = set(re.findall(r"--ignore=tests/(\S+)", workflow["env"]["SLOW"]))
    jobs = workflow["jobs"]
    assert commands_of(jobs["template"]) == ['make test COPIER=${{ matrix.copier }} PYTEST_ARGS="$SLOW"']
    assert commands_of(jobs["slow"]) == ["make test PYTEST_ARGS=tests/test_${{ matrix.suite }}.py"]
    assert commands_of(jobs["variant"]) == ["make test-variant VARIANT=${{ matrix.variant }}"]
    suites = [f"test_{name}.py" for name in jobs["slow"]["strategy"]["matrix"]["suite"]]
    covered = Counter([*(existing - left_out), *suites, "test_variants_run.py"])
    assert covered == Counter(existing)


def test_what_publishes_pages_runs_nothing_of_ours() -> None:
    """Its token could write; the site comes out of a job that may only read."""
    workflow = load(ROOT / ".github/workflows/pages.yml")
    build, publish = (workflow["jobs"][name] for name in ("build", "publish"))
    assert commands_of(build) == ["make docs"]
    assert [step["uses"].partition("@")[0] for step in publish["steps"]] == ["actions/deploy-pages"]
    assert workflow[True].keys() == {"push", "workflow_dispatch"}
    assert workflow[True]["push"] == {"tags": ["v*"]}


def commands_of(job: Document) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_every_python_and_the_oldest_and_newest_copier_are_tried() -> None:
    tried = load(ROOT / ".github/workflows/ci.yml")["jobs"]["template"]["strategy"]["matrix"]
    assert tried["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert tried["copier"] == [""]
    assert {each["copier"] for each in tried["include"]} == {manifest()["_min_copier_version"], "newest"}


def test_every_code_is_rebuilt_every_week_on_the_newest_and_on_the_lowest_versions() -> None:
    workflow = load(ROOT / ".github/workflows/weekly.yml")
    # `on` is a boolean in YAML 1.1
    (schedule,) = workflow[True]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", schedule["cron"])
    rebuilt = workflow["jobs"]["variant"]["strategy"]["matrix"]
    assert rebuilt["variant"].endswith(").code }}")
    assert rebuilt["resolution"] == ["highest", "lowest-direct"]
    assert len(matrix()["code"]) * len(rebuilt["resolution"]) <= 256, "more than GitHub starts"

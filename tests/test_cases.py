"""Each part of the platform's suite runs somewhere, and on other bytes it runs again."""

import shutil
from pathlib import Path

import pytest

from tests.cases import PARTS, cases, digest, parts, whole_variants
from tests.life import Rendered
from tests.variants import ROOT, structural_variants

FRESH = [each for each in cases(None) if each.kind == "fresh"]


def test_every_folder_of_the_suite_is_a_part() -> None:
    folders = {path.name for path in (ROOT / "tests/platform").iterdir() if list(path.glob("test_*.py"))}
    assert folders == set(PARTS)


def test_the_paths_of_each_part_exist(rendered: Rendered) -> None:
    """A misspelt path would have no bytes, and the part would not run when they change."""
    everything = {path for each in structural_variants() for path in PARTS_PATHS if (rendered(each) / path).exists()}
    assert everything == PARTS_PATHS


PARTS_PATHS = {path for paths in PARTS.values() for path in paths}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_runs_once_for_each_set_of_bytes(part: str, rendered: Rendered) -> None:
    partial = [each for each in FRESH if not each.whole]
    tested = [digest(rendered(each.variant), PARTS[part]) for each in partial if part in parts(each, rendered)]
    whole = {digest(rendered(each), PARTS[part]) for each in whole_variants()}
    there = {
        digest(rendered(each.variant), PARTS[part])
        for each in FRESH
        if part != "jobs" or each.variant["task_queue"] != "none"
    }
    assert len(tested) == len(set(tested))
    assert not set(tested) & whole
    assert set(tested) == there - whole


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ("dev", "dev/process.py"),
        ("db", "src/app/platform/db/session.py"),
        ("process", "src/app/platform/http/health.py"),
    ],
)
def test_a_part_runs_on_other_bytes(part: str, path: str, rendered: Rendered, tmp_path: Path) -> None:
    case = next(each for each in FRESH if part not in parts(each, rendered))
    changed = Path(shutil.copytree(rendered(case.variant), tmp_path / "service"))
    with (changed / path).open("a") as file:
        file.write("# another byte\n")
    assert part in parts(case, lambda variant: changed if variant == case.variant else rendered(variant))


def test_workers_are_killed_with_each_queue_on_each_driver(rendered: Rendered) -> None:
    killed = {
        each.variant["db_driver"] + each.variant["task_queue"] for each in FRESH if "jobs" in parts(each, rendered)
    }
    assert killed == {
        each["db_driver"] + each["task_queue"] for each in structural_variants() if each["task_queue"] != "none"
    }


def test_a_project_that_was_worked_on_has_the_bytes_of_a_fresh_one(rendered: Rendered) -> None:
    assert not [each for each in cases(None) if each.kind == "worked-on" and parts(each, rendered)]

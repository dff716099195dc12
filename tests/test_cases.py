"""Each part of the platform's suite runs somewhere, and on other bytes it runs again."""

import shutil
from pathlib import Path

import pytest

from tests.cases import ONCE, PARTS, apart, arguments, bytes_of, cases, parts
from tests.life import Rendered
from tests.variants import ROOT, choices, structural_variants

FRESH = [each for each in cases(None) if each.kind == "fresh"]


def test_every_folder_of_the_suite_is_a_part() -> None:
    folders = {path.name for path in (ROOT / "tests/platform").iterdir() if list(path.glob("test_*.py"))}
    assert folders == {part.partition("/")[0] for part in PARTS}


def test_the_paths_of_each_part_exist(rendered: Rendered) -> None:
    """A misspelt path would have no bytes, and the part would not run when they change."""
    everything = {path for each in structural_variants() for path in PARTS_PATHS if (rendered(each) / path).exists()}
    assert everything == PARTS_PATHS


PARTS_PATHS = {path.removeprefix("!") for paths in PARTS.values() for path in paths}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_runs_once_for_each_set_of_bytes(part: str, rendered: Rendered) -> None:
    """On a whole variant again, unless the part says the same there or takes long."""
    again = [] if part in ONCE else [each for each in FRESH if each.whole]
    once = [each for each in FRESH if each not in again and part in parts(each, rendered)]
    tested = [bytes_of(part, each.variant, rendered) for each in once]
    assert len(tested) == len(set(tested))
    whole = {bytes_of(part, each.variant, rendered) for each in again}
    assert not set(tested) & whole
    there = [each for each in FRESH if not part.startswith("jobs") or each.variant["task_queue"] != "none"]
    assert set(tested) | whole >= {bytes_of(part, each.variant, rendered) for each in there}


def test_a_part_inside_another_one_is_left_out_where_it_has_run() -> None:
    delivery, outages = (f"tests/platform/jobs/process/{part}" for part in ("delivery", "outages"))
    assert arguments(["jobs"]) == ["tests/platform/jobs", f"--ignore={delivery}", f"--ignore={outages}"]
    assert arguments(["jobs", "jobs/process/outages"]) == ["tests/platform/jobs", outages, f"--ignore={delivery}"]


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
    same = case.variant.structure()
    assert part in parts(case, lambda variant: changed if variant.structure() == same else rendered(variant))


@pytest.mark.parametrize("part", ["db", "middleware"])
def test_what_is_the_same_in_both_styles_runs_once_for_each_driver(part: str, rendered: Rendered) -> None:
    where = [each for each in FRESH if part in parts(each, rendered)]
    assert sorted(each.variant["db_driver"] for each in where) == sorted(choices()["db_driver"])
    assert all(each.counts_platform for each in where)


def test_what_all_have_runs_with_each_queue_and_on_each_driver(rendered: Rendered) -> None:
    where = [each.variant for each in FRESH if "shared" in parts(each, rendered)]
    for question in ("task_queue", "db_driver"):
        assert {each[question] for each in where} == {*choices()[question]}


def test_every_part_is_run_in_one_way_or_the_other(rendered: Rendered) -> None:
    for each in FRESH:
        chosen = parts(each, rendered)
        counted, others = apart(chosen)
        assert sorted([*counted, *others]) == sorted(chosen)
        assert not set(counted) & set(others)


def test_own_suites_are_counted_with_and_without_jobs_in_each_style() -> None:
    counted = {(each.variant["data_access"], each.variant["task_queue"] == "none") for each in FRESH if each.counted}
    assert counted == {(style, without) for style in choices()["data_access"] for without in (True, False)}
    worked_on = {each.variant["data_access"] for each in cases(None) if each.kind == "worked-on" and each.counted}
    assert worked_on == {*choices()["data_access"]}


def test_workers_meet_outages_with_each_queue_on_each_driver(rendered: Rendered) -> None:
    met = [each.variant for each in FRESH if "jobs/process/outages" in parts(each, rendered)]
    expected = {
        each["db_driver"] + each["task_queue"] for each in structural_variants() if each["task_queue"] != "none"
    }
    assert {each["db_driver"] + each["task_queue"] for each in met} == expected


def test_workers_are_killed_with_each_queue(rendered: Rendered) -> None:
    killed = [each.variant for each in FRESH if "jobs/process/delivery" in parts(each, rendered)]
    assert {each["task_queue"] for each in killed} == {*choices()["task_queue"]} - {"none"}


def test_a_project_that_was_worked_on_has_the_bytes_of_a_fresh_one(rendered: Rendered) -> None:
    assert not [each for each in cases(None) if each.kind == "worked-on" and parts(each, rendered)]

"""Each part of the platform's suite runs somewhere, and on other bytes it runs again."""

import shutil
from pathlib import Path

import pytest

from tests.cases import ALONE, COUNTED, PARTS, PROCESSES, Case, arguments, bytes_of, cases, parts, runs
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


PARTS_PATHS = {path.removeprefix("!") for groups in PARTS.values() for paths in groups for path in paths}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_runs_for_each_set_of_bytes_and_no_more(part: str, rendered: Rendered) -> None:
    of_jobs = part.startswith("jobs") or part == "dev/test_worker.py"
    there = [each for each in FRESH if each.variant["task_queue"] != "none" or not of_jobs]
    everything = {version for each in there for version in versions(part, each, rendered)}
    tested = [versions(part, each, rendered) for each in FRESH if part in parts(each, rendered)]
    assert set().union(*tested) == everything
    for each in tested:
        others = [other for other in tested if other is not each]
        assert each - set().union(*others), "this run tests nothing new"


def versions(part: str, case: Case, rendered: Rendered) -> set[tuple[int, str]]:
    """Return the bytes of each group of paths of a part."""
    return set(enumerate(bytes_of(part, case.variant, rendered)))


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
        ("process/database", "src/app/platform/db/driver.py"),
    ],
)
def test_a_part_runs_on_other_bytes(part: str, path: str, rendered: Rendered, tmp_path: Path) -> None:
    case = next(each for each in FRESH if part not in parts(each, rendered))
    changed = Path(shutil.copytree(rendered(case.variant), tmp_path / "service"))
    with (changed / path).open("a") as file:
        file.write("# another byte\n")
    same = case.variant.structure()
    assert part in parts(case, lambda variant: changed if variant.structure() == same else rendered(variant))


@pytest.mark.parametrize("part", ["api", "db", "jobs", "process/database", "db/replica", "db/pooler"])
def test_what_is_the_same_in_both_styles_runs_once_for_each_driver(part: str, rendered: Rendered) -> None:
    drivers = [each.variant["db_driver"] for each in FRESH if part in parts(each, rendered)]
    assert sorted(drivers) == sorted(choices()["db_driver"])


@pytest.mark.parametrize("part", ["jobs", "shared"])
def test_what_jobs_change_runs_with_each_queue(part: str, rendered: Rendered) -> None:
    queues = {each.variant["task_queue"] for each in FRESH if part in parts(each, rendered)}
    assert queues | {"none"} == {*choices()["task_queue"]}
    assert part != "shared" or "none" in queues


def test_access_runs_in_each_style_on_each_driver(rendered: Rendered) -> None:
    met = {
        (each.variant["data_access"], each.variant["db_driver"])
        for each in FRESH
        if "db/access" in parts(each, rendered)
    }
    assert met == {(style, driver) for style in choices()["data_access"] for driver in choices()["db_driver"]}


def test_one_variant_has_all_that_is_counted(rendered: Rendered) -> None:
    (counted,) = [each for each in FRESH if each.counts_platform]
    assert {*parts(counted, rendered)} >= {*COUNTED}
    assert {*COUNTED, *PROCESSES, "db/pooler", "db/replica"} == {*PARTS}


def test_a_variant_that_is_run_alone_has_its_parts_and_some_more(rendered: Rendered) -> None:
    for each in FRESH:
        fresh, *_ = cases(each.variant.id)
        there = {part for part in ALONE if part != "jobs" or each.variant["task_queue"] != "none"}
        assert {*parts(fresh, rendered)} == {*parts(each, rendered), *there}


def test_every_part_is_run_in_one_way_or_the_other(rendered: Rendered) -> None:
    for each in FRESH:
        chosen = parts(each, rendered)
        found = runs(each, chosen)
        assert sorted(part for run, _ in found for part in run) == sorted(chosen)
        assert not any(part in PROCESSES for run, counted in found if counted for part in run)
        assert all(run for run, _ in found)
        assert [counted for _, counted in found].count(True) == each.counts_platform


def test_own_suites_are_counted_with_and_without_jobs_in_each_style() -> None:
    counted = {(each.variant["data_access"], each.variant["task_queue"] == "none") for each in FRESH if each.counted}
    assert counted == {(style, without) for style in choices()["data_access"] for without in (True, False)}
    (worked_on,) = [each.variant for each in cases(None) if each.kind == "worked-on" and each.counted]
    assert worked_on["task_queue"] != "none"


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

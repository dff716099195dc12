"""A service's test suite leaves out only tests that run in another service's suite."""

import shutil
from pathlib import Path

import pytest

from tests.cases import LAUNCHER, WORKERS, cases, launcher, left_out, whole_variants
from tests.life import Rendered
from tests.variants import structural_variants


def test_a_launcher_is_tested_once_on_the_same_bytes(rendered: Rendered) -> None:
    partial = [each for each in cases(None) if not each.whole and each.kind == "fresh"]
    tested = [launcher(rendered(each.variant)) for each in partial if LAUNCHER not in left_out(each, rendered)]
    whole = {launcher(rendered(each)) for each in whole_variants()}
    assert len(tested) == len(set(tested))
    assert set(tested) == {launcher(rendered(each)) for each in structural_variants()} - whole


@pytest.mark.parametrize("path", ["dev/process.py", "src/app/db/driver.py", "tests/dev/test_run.py"])
def test_a_launcher_is_tested_on_other_bytes(path: str, rendered: Rendered, tmp_path: Path) -> None:
    case = next(each for each in cases(None) if LAUNCHER in left_out(each, rendered) and each.kind == "fresh")
    changed = Path(shutil.copytree(rendered(case.variant), tmp_path / "service"))
    with (changed / path).open("a") as file:
        file.write("# another byte\n")
    assert LAUNCHER not in left_out(case, lambda variant: changed if variant == case.variant else rendered(variant))


def test_workers_are_killed_with_each_queue_on_each_driver(rendered: Rendered) -> None:
    killed = [each.variant for each in cases(None) if WORKERS not in left_out(each, rendered)]
    pairs = [(each["db_driver"], each["task_queue"]) for each in killed if each["task_queue"] != "none"]
    everywhere = {(each["db_driver"], each["task_queue"]) for each in structural_variants()}
    assert sorted(pairs) == sorted(pair for pair in everywhere if pair[1] != "none")

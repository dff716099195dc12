"""Which variants are run, and which tests of their own suite run where: the same bytes are run once."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.life import Rendered
from tests.variants import Variant, by_id, few_variants, structural_variants

# Tests that start the service over and over, which takes most of a suite's time. They run on the few whole variants: on
# each driver, in each style, with each queue and with none.
PROCESSES = ("tests/process", "tests/db/test_echo.py", "tests/db/test_migrating.py", "tests/test_multiprocess.py")
# The same with workers, which are killed.
WORKERS = "tests/tasks/process"
# Tests of the launcher, and the files that they depend on.
LAUNCHER = "tests/dev"
LAUNCHER_FILES = ("dev", LAUNCHER, "migrations", "alembic.ini", "src/app/db/driver.py", "src/app/tasks")


@dataclass(frozen=True)
class Case:
    """A variant, `fresh` from the template, or `worked-on` by an owner; with all that can be run, or most of it."""

    variant: Variant
    kind: str
    whole: bool = False

    def traits(self) -> set[str]:
        """What a test may ask for."""
        jobs = [] if self.variant["task_queue"] == "none" else [f"{self.kind} with jobs"]
        return {self.kind, *jobs, *(["whole"] if self.whole else [])}


def cases(only: str | None) -> list[Case]:
    """Fresh ones of each structure with all answers spread over them, a few of them whole, and a worked-on few.

    Or just one. On the few each answer meets each other one but for the queue, which does with each of its answers.
    """
    if only:
        return [Case(by_id(only), "fresh", whole=True), Case(by_id(only), "worked-on")]
    fresh = [Case(each, "fresh", whole=each in whole_variants()) for each in structural_variants()]
    return fresh + [Case(each, "worked-on") for each in few_variants()]


def left_out(case: Case, rendered: Rendered) -> list[str]:
    """The tests that run in another project: on the same bytes, or on all that matters to them.

    Coverage is asked for where nothing is left out.
    """
    if case.whole:
        return []
    tests = [*PROCESSES]
    if case.kind == "worked-on" or case.variant not in with_workers():
        tests.append(WORKERS)
    bytes_of_it = launcher(rendered(case.variant))
    first = next(
        each for each in [*whole_variants(), *structural_variants()] if launcher(rendered(each)) == bytes_of_it
    )
    if case.kind == "worked-on" or first != case.variant:
        tests.append(LAUNCHER)
    return tests


def whole_variants() -> list[Variant]:
    """The few that are run with everything."""
    few = {each.structure() for each in few_variants()}
    return [each for each in structural_variants() if each.structure() in few]


def with_workers() -> list[Variant]:
    """Where workers are killed: one for each queue on each driver. How features reach their data is nothing to them."""
    variants = [*whole_variants(), *structural_variants()]
    return list({(each["db_driver"], each["task_queue"]): each for each in reversed(variants)}.values())


@cache
def launcher(root: Path) -> str:
    """A digest of the files that the tests of the launcher depend on."""
    found = {path for name in LAUNCHER_FILES for path in [root / name, *(root / name).rglob("*")] if path.is_file()}
    digest = hashlib.sha256()
    for path in sorted(found):
        digest.update(f"{path.relative_to(root)} {path.stat().st_size} ".encode() + path.read_bytes())
    return digest.hexdigest()


def without(*tests: str) -> str:
    """The argument that makes `make test` skip these tests, and coverage with them: it would be too low."""
    return "PYTEST_ARGS=" + " ".join(["--no-cov", *(f"--ignore={path}" for path in tests)])

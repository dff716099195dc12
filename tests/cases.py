"""Decide which variants are run, and which parts of the platform's suite run where: the same bytes are run once."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.life import Rendered
from tests.variants import ROOT, VALUES, Variant, by_id, choices, few_variants, structural_variants

SUITE = "tests/platform"

# The parts of the platform's suite, each with groups of paths in a service that it tests; `!` leaves out a path below
# them. A part runs until every set of bytes of each group has been tested: with every other one of the same group, but
# not with every one of another group.
_DRIVER = ("src/app/platform/db/driver.py",)
_LISTEN = "src/app/platform/db/listen.py"
_HTTP = ("src/app/platform/http", "src/app/platform/auth")
_DB = ("src/app/platform/db", "!src/app/platform/db/repository.py", "!src/app/platform/db/dao", f"!{_LISTEN}")
_JOBS = "src/app/platform/jobs"
_POOLED = ("in_force", "migrating", "pool", "poolers", "safety", "session", "startup")
# what the answer about the queue changes in `dev`
_DEV_OF_JOBS = ("dev/jobs_gone.py", "dev/services.py", "dev/worker.py")
PARTS = {
    "api": (_HTTP, _DRIVER),
    "cache": (("src/app/platform/cache",), _DRIVER),
    "db": ((*_DB, "migrations/env.py"),),
    "db/access": (("src/app/platform/db", f"!{_LISTEN}"),),
    "db/replica": ((*_DB, "migrations/env.py"),),
    "db/pooler": ((*_DRIVER, "migrations/env.py", *(f"src/app/platform/db/{name}.py" for name in _POOLED)),),
    "dev": (("dev", *(f"!{path}" for path in _DEV_OF_JOBS)),),
    "dev/test_worker.py": (_DEV_OF_JOBS,),
    "jobs": ((_JOBS, "dev/jobs_gone.py", "migrations/jobs"), (*_DRIVER, _LISTEN)),
    "jobs/process/delivery": ((_JOBS,),),
    "jobs/process/outages": ((_JOBS, *_DRIVER, _LISTEN),),
    "middleware": (_HTTP,),
    "process": (_HTTP,),
    "process/database": (_HTTP, _DRIVER),
    # the answer about the queue changes these two, and a driver is below all of it
    "shared": (("src/app/platform/settings.py", "src/app/platform/resources.py"), _DRIVER),
}

# The parts that test other processes than pytest's. Coverage does not count those, so the parts run without it, which
# would double what pytest's own process takes.
PROCESSES = (
    "dev",
    "dev/test_worker.py",
    "jobs/process/delivery",
    "jobs/process/outages",
    "process",
    "process/database",
)

# The parts that run where coverage counts them.
COUNTED = ("api", "cache", "db", "db/access", "jobs", "middleware", "shared")

# `make test-variant` runs these parts on its variant in any case, whichever variant runs them in `make test`.
ALONE = ("api", "db/access", "jobs")


@dataclass(frozen=True)
class Case:
    """A variant, `fresh` from the template, or `worked-on` by an owner; `whole` if everything is run.

    It is `alone` if no other variant is run.
    """

    variant: Variant
    kind: str
    whole: bool = False
    alone: bool = False

    @property
    def counted(self) -> bool:
        """Whether its own suite must reach the floor of coverage; the code of others is covered as a whole one's is.

        Of those that were worked on, one with jobs has all that an owner adds.
        """
        worked_on = self.kind == "worked-on" and self.variant == next(filter(_has_queue, few_variants()))
        return self.whole or worked_on

    @property
    def counts_platform(self) -> bool:
        """Whether the platform's suite must reach its floor: on one variant, which has all parts that are counted.

        Counting takes as long as the tests themselves, and the variants have nearly all code in common.
        """
        return self.kind == "fresh" and self.variant == next(filter(_has_queue, whole_variants()))

    def traits(self) -> set[str]:
        """What a test may ask for."""
        jobs = self.variant["task_queue"] != "none"
        sample = self.variant["sample"] == "orders"
        return {
            self.kind,
            f"{self.kind} on {self.variant['db_driver']}",
            *([f"{self.kind} with jobs"] if jobs else []),
            *([f"{self.kind} with receipts"] if jobs and sample else []),
            *(["whole"] if self.whole else []),
            *(["whole with jobs"] if self.whole and jobs else []),
        }


def cases(only: str | None) -> list[Case]:
    """Fresh ones of each structure with all answers spread over them, a few of them whole, and a worked-on few.

    Or just one. On the few each answer meets each other one but for the queue, which does with each of its answers.
    """
    if only:
        chosen = [Case(by_id(only), "fresh", whole=True, alone=True)]
        # the owner's migration follows that of the sample
        return [*chosen, Case(by_id(only), "worked-on")] if by_id(only)["sample"] == "orders" else chosen
    fresh = [Case(each, "fresh", whole=each in whole_variants()) for each in _structural()]
    return fresh + [Case(each, "worked-on") for each in few_variants()]


def parts(case: Case, rendered: Rendered) -> list[str]:
    """Return the parts of the platform's suite that run on a case."""
    if case.kind == "worked-on":
        return []
    there = [part for part in PARTS if _has(rendered(case.variant), part)]
    asked = [part for part in there if case.alone and part in ALONE]
    return [part for part in there if part in asked or case.variant in where(part, rendered)]


def where(part: str, rendered: Rendered) -> list[Variant]:
    """Return the variants that have new bytes for a part, in the order they are looked at."""
    tested: set[tuple[int, str]] = set()
    found = []
    for each in _order(part):
        new = set(enumerate(bytes_of(part, each, rendered))) - tested
        if new and _has(rendered(each), part):
            found.append(each)
            tested |= new
    return found


def runs(case: Case, chosen: list[str]) -> list[tuple[list[str], bool]]:
    """Return the runs of pytest for these parts of a case: the parts of each, and whether coverage counts them."""
    if not case.counts_platform:
        return [(chosen, False)] if chosen else []
    counted = [part for part in chosen if part not in PROCESSES]
    return [(counted, True), ([part for part in chosen if part in PROCESSES], False)]


def arguments(chosen: list[str]) -> list[str]:
    """Return the arguments with which pytest runs these parts and no others that are inside them."""
    inside = [part for part in PARTS if part not in chosen and any(part.startswith(f"{each}/") for each in chosen)]
    return [*(f"{SUITE}/{part}" for part in chosen), *(f"--ignore={SUITE}/{part}" for part in inside)]


@cache
def _structural() -> tuple[Variant, ...]:
    """Return what is slow to find."""
    return structural_variants()


@cache
def whole_variants() -> list[Variant]:
    """The few that are run with everything."""
    few = {each.structure() for each in few_variants()}
    return [each for each in _structural() if each.structure() in few]


def _has_queue(variant: Variant) -> bool:
    return variant["task_queue"] != "none"


@cache
def _needs() -> tuple[tuple[str, str], ...]:
    """Return what `dev/template/suite.py` goes by: the tests that not each service has, and the path they need."""
    lines = (ROOT / SUITE / "needs.txt").read_text().splitlines()
    return tuple((test, path.strip()) for test, _, path in (line.partition(" ") for line in lines))


def _has(root: Path, part: str) -> bool:
    return all((root / path).exists() for test, path in _needs() if f"{part}/".startswith(f"{test}/"))


def _order(part: str) -> list[Variant]:
    """Return the variants, those first that should run a part.

    Others than those where coverage counts have the parts that take long.
    """
    whole = whole_variants()
    first = [each for each in whole if _has_queue(each) == (part in COUNTED)]
    return [*dict.fromkeys([*first, *whole, *_structural()])]


def bytes_of(part: str, variant: Variant, rendered: Rendered) -> list[str]:
    """Return a digest of each group that a part tests in a variant; answers that only change a value do not count."""
    usual = variant.but(**{name: choices()[name][0] for name in VALUES})
    return [digest(rendered(usual), paths) for paths in PARTS[part]]


def _files(root: Path, paths: Iterable[str]) -> set[Path]:
    return {path for name in paths for path in [root / name, *(root / name).rglob("*")] if path.is_file()}


@cache
def digest(root: Path, paths: tuple[str, ...]) -> str:
    """Return a digest of the files at these paths."""
    left_out = _files(root, [name.removeprefix("!") for name in paths if name.startswith("!")])
    found = _files(root, paths)
    total = hashlib.sha256()
    for path in sorted(found - left_out):
        total.update(f"{path.relative_to(root)} {path.stat().st_size} ".encode() + path.read_bytes())
    return total.hexdigest()

"""Decide which variants are run, and which parts of the platform's suite run where: the same bytes are run once."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import filterfalse
from pathlib import Path

from tests.life import Rendered
from tests.variants import VALUES, Variant, by_id, choices, few_variants, structural_variants

SUITE = "tests/platform"

# The parts of the platform's suite, with the paths in a service that each part tests; `!` leaves out a path below them.
# A part runs once for each set of bytes at these paths; beside that, parts that are not in ONCE run on the few whole
# variants.
_DRIVER = "src/app/platform/db/driver.py"
_HTTP = ("src/app/platform/http", "src/app/platform/auth", _DRIVER)
_LISTEN = "src/app/platform/db/listen.py"
_ACCESS = ("src/app/platform/db/repository.py", "src/app/platform/db/dao")
_POOLED = ("in_force", "migrating", "pool", "poolers", "safety", "session", "startup")
PARTS = {
    "api": _HTTP,
    "cache": ("src/app/platform/cache", _DRIVER),
    "db": ("src/app/platform/db", *(f"!{path}" for path in (_LISTEN, *_ACCESS)), "migrations/env.py"),
    "db/access": ("src/app/platform/db", f"!{_LISTEN}"),
    "db/replica": ("src/app/platform/db", *(f"!{path}" for path in (_LISTEN, *_ACCESS)), "migrations/env.py"),
    "db/pooler": (_DRIVER, "migrations/env.py", *(f"src/app/platform/db/{name}.py" for name in _POOLED)),
    "dev": ("dev",),
    "jobs": ("src/app/platform/jobs", _DRIVER, _LISTEN, "dev/jobs_gone.py", "migrations/jobs"),
    "jobs/process/delivery": ("src/app/platform/jobs",),
    "jobs/process/outages": ("src/app/platform/jobs", _DRIVER, _LISTEN),
    "middleware": _HTTP,
    "process": _HTTP,
    # the answer about the queue changes these two, and a driver is below all of it: both drivers are among the runs
    "shared": ("src/app/platform/settings.py", "src/app/platform/resources.py"),
}

# The parts that test other processes than pytest's. Coverage does not count those, so the parts run without it, which
# would double what pytest's own process takes.
PROCESSES = ("dev", "jobs/process/delivery", "jobs/process/outages", "process")

# The parts that test the same in both styles of data access. They run where coverage counts them.
COUNTED_ONCE = ("cache", "db", "middleware", "shared")

# The parts that take long and that coverage does not need: they run where there are no jobs to be tested.
APART = ("db/pooler", "db/replica", "process")

ONCE = (*PROCESSES, *COUNTED_ONCE, *APART)


@dataclass(frozen=True)
class Case:
    """A variant, `fresh` from the template, or `worked-on` by an owner; `whole` if everything is run."""

    variant: Variant
    kind: str
    whole: bool = False

    @property
    def counted(self) -> bool:
        """Whether its own suite must reach the floor of coverage; the code of others is covered as a whole one's is.

        Of those that were worked on, the ones with jobs have all that an owner adds, and one of them is of each style.
        """
        return self.whole or (self.kind == "worked-on" and _has_queue(self.variant))

    @property
    def counts_platform(self) -> bool:
        """Whether the platform's suite must reach its floor; a service without a queue has no code of its own there."""
        return self.whole and _has_queue(self.variant)

    def traits(self) -> set[str]:
        """What a test may ask for."""
        jobs = self.variant["task_queue"] != "none"
        sample = self.variant["sample"] == "orders"
        return {
            self.kind,
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
        chosen = [Case(by_id(only), "fresh", whole=True)]
        # the owner's migration follows that of the sample
        return [*chosen, Case(by_id(only), "worked-on")] if by_id(only)["sample"] == "orders" else chosen
    fresh = [Case(each, "fresh", whole=each in whole_variants()) for each in structural_variants()]
    return fresh + [Case(each, "worked-on") for each in few_variants()]


def parts(case: Case, rendered: Rendered) -> list[str]:
    """Return the parts of the platform's suite that run on a case: those with new bytes; on a whole one nearly all."""
    if case.kind == "worked-on":
        return []
    there = [part for part in PARTS if _has(rendered(case.variant), part)]
    every = [part for part in there if case.whole and part not in ONCE]
    return [part for part in there if part in every or _first(part, case.variant, rendered) == case.variant]


def apart(chosen: list[str]) -> tuple[list[str], list[str]]:
    """Split the parts: first those that coverage can count, then those that test other processes."""
    return [part for part in chosen if part not in PROCESSES], [part for part in chosen if part in PROCESSES]


def arguments(chosen: list[str]) -> list[str]:
    """Return the arguments with which pytest runs these parts and no others that are inside them."""
    inside = [part for part in PARTS if part not in chosen and any(part.startswith(f"{each}/") for each in chosen)]
    return [*(f"{SUITE}/{part}" for part in chosen), *(f"--ignore={SUITE}/{part}" for part in inside)]


def whole_variants() -> list[Variant]:
    """The few that are run with everything."""
    few = {each.structure() for each in few_variants()}
    return [each for each in structural_variants() if each.structure() in few]


def _has_queue(variant: Variant) -> bool:
    return variant["task_queue"] != "none"


def _has(root: Path, part: str) -> bool:
    return not part.startswith("jobs") or (root / "src/app/platform/jobs").is_dir()


def _first(part: str, variant: Variant, rendered: Rendered) -> Variant:
    """Return the first variant, in the order they are run in, that has the same bytes for a part."""
    tested = bytes_of(part, variant, rendered)
    whole = whole_variants()
    if part in COUNTED_ONCE:
        whole = [*filter(_has_queue, whole), *whole]
    elif part in APART:
        whole = [*filterfalse(_has_queue, whole), *whole]
    variants = [*whole, *structural_variants()]
    return next(each for each in variants if bytes_of(part, each, rendered) == tested)


def bytes_of(part: str, variant: Variant, rendered: Rendered) -> str:
    """Return a digest of what a part tests in a variant; answers that only change a value do not count."""
    usual = variant.but(**{name: choices()[name][0] for name in VALUES})
    return digest(rendered(usual), PARTS[part])


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

"""Provides one snapshot of the template, one PostgreSQL and one Redis-protocol server for the whole test run."""

import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling, Scheduling

from pages.__main__ import build
from pages.composition import File, compose, shown_variants
from tests import life, owner, prepared, releases, rendering, shapes, variants
from tests.carrying import Carry
from tests.project import Project
from tests.variants import ROOT, Variant

_stack = ExitStack()
# Files whose tests build on each other within a variant.
STEP_BY_STEP = ("test_variants_run.py", "test_drills.py", "test_second_features.py")
# Files whose tests share what is expensive to make, by what they share.
TOGETHER = {
    **{each: each for each in ("clients", "load", "prometheus")},
    **dict.fromkeys(("composition", "explorer", "site"), "site"),
}
# The number of tests to list in the summary of durations.
LONGEST = 25
# Linux's file system in memory
MEMORY = Path("/dev/shm")  # noqa: S108 - only for a private directory of this run


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--variant", help="run and drill only this variant, but any of them")


def pytest_configure(config: pytest.Config) -> None:
    """Set everything up once, in the controlling process; the workers inherit its environment."""
    name = config.getoption("--variant")
    if name and name not in variants.matrix()["all"]:
        raise pytest.UsageError(str(_complaint(name)))
    # for a service's `dev`; append, because `tests` must remain this repository's package, not `template/tests`
    sys.path.append(str(ROOT / "template"))
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    place = _stack.enter_context(_scratch())
    os.environ[prepared.PLACE] = str(place)
    if _has_room(MEMORY):
        # the servers' data; a third of the time of tests that use a database would go into writing it to a disk
        os.environ["TMPDIR"] = tempfile.tempdir = str(_stack.enter_context(_scratch(MEMORY)))
    try:
        releases.scratch(place / "template")
    except releases.HistoryError as error:
        raise pytest.UsageError(str(error)) from None
    _start_servers()


class OneVariantOneProcess(LoadScopeScheduling):  # type: ignore[misc] # pytest-xdist is untyped
    """Schedules the steps of a variant together and first, since they take most of the time; other tests one by one.

    The run of a variant and its drill are two projects, so they can run at the same time.

    pytest-xdist 3.8.0 on pytest 9.2 silently ignores its own groups (`xdist_group`).
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        if together := TOGETHER.get(Path(file).stem.removeprefix("test_")):
            return together
        in_steps = file.endswith(STEP_BY_STEP) and "[" in test
        return file + test[test.rindex("[") :] if in_steps else nodeid


def pytest_xdist_auto_num_workers() -> int:
    """Run two tests for each core: about half of the time tests wait for processes, leases and time limits."""
    return 2 * (os.cpu_count() or 1)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    return OneVariantOneProcess(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Report the durations; they are not asserted, since machines differ and several tests run at a time."""
    terminalreporter.section("where the time went")
    spent = _seconds_by_test(terminalreporter)
    for name, seconds in sorted(spent.items(), key=lambda item: -sum(item[1]))[:LONGEST]:
        terminalreporter.write_line(f"{sum(seconds):7.0f} s  {name} ({len(seconds)})")
    terminalreporter.write_line(f"{sum(map(sum, spent.values())):7.0f} s  all tests, one after the other")
    place = Path(os.environ.get(prepared.PLACE, os.devnull))
    for command, seconds in rendering.durations(place).items():
        middle, longest = statistics.median(seconds), max(seconds)
        terminalreporter.write_line(
            f"copier {command}: {middle:.1f} s (median of {len(seconds)}), at most {longest:.1f} s"
        )


def _seconds_by_test(reporter: pytest.TerminalReporter) -> dict[str, list[float]]:
    """Return the seconds of each run of a test function, including its fixtures."""
    spent: dict[str, dict[str, float]] = {}
    for report in (each for reports in reporter.stats.values() for each in reports):
        if isinstance(report, pytest.TestReport):
            runs = spent.setdefault(report.nodeid.partition("[")[0], {})
            runs[report.nodeid] = runs.get(report.nodeid, 0) + report.duration
    return {name: list(runs.values()) for name, runs in spent.items()}


def pytest_unconfigure() -> None:
    _stack.close()


def _complaint(name: str) -> str:
    try:
        variants.by_id(name)
    except KeyError as error:
        return str(error.args[0])
    return ""


def _has_room(directory: Path) -> bool:
    """Return whether temporary files may go there: programs can be started from it, and 4 GiB are free."""
    try:
        system = os.statvfs(directory)
    except (AttributeError, OSError):
        return False
    return not system.f_flag & os.ST_NOEXEC and system.f_bavail * system.f_frsize >= 4 * 2**30


@contextmanager
def _scratch(above: Path | None = None) -> Iterator[Path]:
    """Yield a temporary directory that a server without our rights may enter; ignore errors when removing it."""
    place = Path(tempfile.mkdtemp(prefix="template-tests-", dir=above)).resolve()
    place.chmod(0o755)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _start_servers() -> None:
    """Start the servers that the environment does not name, with the services' own launcher."""
    from dev.postgres import postgres  # noqa: PLC0415 - importable only now
    from dev.redis import redis  # noqa: PLC0415

    for variable, server in {"TEST_DATABASE_URL": postgres, "TEST_REDIS_URL": redis}.items():
        if not os.environ.get(variable):
            os.environ[variable] = _stack.enter_context(server())


@pytest.fixture(scope="session")
def place() -> Path:
    """The directory of this test run."""
    return Path(os.environ[prepared.PLACE])


@pytest.fixture(scope="session")
def template(place: Path) -> Path:
    """A clone of this repository with a tag for every release; the working tree is the newest, at HEAD."""
    return place / "template"


@pytest.fixture(scope="session")
def rendered(place: Path, template: Path) -> Callable[[Variant], Path]:
    """Renders each variant once per test run. The result is read-only by convention."""

    def get(variant: Variant) -> Path:
        def make(draft: Path) -> None:
            rendering.render(template, draft, dict(variant.answers))

        return rendering.once(place / "rendered" / variant.id, make)

    return get


@pytest.fixture(scope="session")
def worked_on(place: Path, rendered: Callable[[Variant], Path]) -> Callable[[Variant], Path]:
    """Copies each variant and applies an owner's edits, once per test run. The result is read-only by convention."""

    def get(variant: Variant) -> Path:
        def make(draft: Path) -> None:
            owner.edit(Path(shutil.copytree(rendered(variant), draft)))

        return rendering.once(place / "edited" / variant.id, make)

    return get


@pytest.fixture(scope="session")
def running_project(place: Path, rendered: Callable[[Variant], Path]) -> Callable[[Variant, bool], Project]:
    """Makes the project that tests in one process share, optionally with an owner's edits."""
    made: dict[tuple[Variant, bool], Project] = {}

    def get(variant: Variant, worked_on: bool) -> Project:
        if (variant, worked_on) not in made:
            target = place / ("worked-on" if worked_on else "projects") / variant.id
            root = Path(shutil.copytree(rendered(variant), target))
            if worked_on:
                owner.edit(root)
            made[variant, worked_on] = Project(root)
        return made[variant, worked_on]

    return get


@pytest.fixture(scope="session")
def composed(rendered: Callable[[Variant], Path]) -> Mapping[str, File]:
    """All versions of all files, as the documentation shows them."""
    return compose({each: rendering.rendered_files(rendered(each)) for each in shown_variants()})


@pytest.fixture(scope="session")
def site(composed: Mapping[str, File], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation, built."""
    place = tmp_path_factory.mktemp("documentation")
    build(composed, place / "site", place)
    return place / "site"


@pytest.fixture(scope="session")
def born(rendered: Callable[[Variant], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project at the newest release, committed; read-only by convention."""
    return life.newborn(rendered(variants.plain_variants()[0]), tmp_path_factory.mktemp("born") / "service")


@pytest.fixture
def project(born: Path, tmp_path: Path) -> Path:
    """A project at the newest release, committed."""
    return Path(shutil.copytree(born, tmp_path / "service"))


@pytest.fixture(scope="session", params=shapes.OLD, ids=lambda old: "-".join([old[0].version, *old[1].values()]))
def old_app(request: pytest.FixtureRequest, template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Render each release with answers that matter to the files that have another shape now."""
    release, answers = request.param
    return rendering.render(template, tmp_path_factory.mktemp("old") / "project", answers, ref=release.tag) / "src/app"


@pytest.fixture
def carry(old_app: Path, tmp_path: Path) -> Carry:
    """Carry the owner's edits of a release to the new shape of a file."""
    return Carry(old_app, tmp_path)

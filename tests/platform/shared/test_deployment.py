"""The units of systemd are in step with the service, and the pages name commands that exist."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

from app.__main__ import COMMANDS
from app.platform.db import pool
from app.platform.db.sizing import Load
from app.platform.http.server import DRAIN_SECONDS
from app.platform.http.worker import CLOSING
from app.platform.reference import variables
from app.platform.settings import PlatformSettings

ROOT = Path(__file__).parents[3]
UNITS = ROOT / "deploy/systemd"
PAGE = ROOT / "docs/deployment.md"
# for closing pools and resources
CLOSING_OF_JOBS = 10
NAMES = {each.function.__name__.replace("_", "-") for each in COMMANDS}
JOBS = (ROOT / "src/app/platform/jobs").exists()


def values(unit: str, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", (UNITS / unit).read_text(), re.MULTILINE)


def seconds(unit: str) -> int:
    (found,) = values(unit, "TimeoutStopSec")
    return int(found)


def test_a_unit_waits_until_its_process_has_ended() -> None:
    defaults = {name: default for name, default, _ in variables(PlatformSettings)}
    assert seconds("api@.service") >= DRAIN_SECONDS + float(defaults["HTTP_SHUTDOWN_TIMEOUT"]) + CLOSING
    if JOBS:
        assert seconds("worker.service") >= float(defaults["TASKS_SHUTDOWN_TIMEOUT"]) + CLOSING_OF_JOBS


def test_units_are_those_of_the_variant_and_signal_the_parent_alone() -> None:
    services = {path.name for path in UNITS.glob("*.service")}
    assert services == {"api@.service", "prune.service"} | ({"worker.service"} if JOBS else set())
    # the processes that run Celery's jobs die of a SIGTERM; their parent lets them finish
    assert all(values(unit, "KillMode") == ["mixed"] for unit in services - {"prune.service"})
    for unit in services:
        (command,) = re.findall(r"-m app ([a-z-]+)", values(unit, "ExecStart")[0])
        assert command in NAMES


def test_page_has_the_names_and_numbers_of_the_units() -> None:
    page = PAGE.read_text()
    (slug,) = set(values("prune.service", "User"))
    for unit in UNITS.iterdir():
        name = f"{slug}-{unit.name.removesuffix('.service')}"
        # an instance of it, such as shop-api@8010
        assert (
            re.search(rf"systemctl (?:enable|restart) .*{re.escape(name)}(?:\d+|\b)", page)
            or unit.name == "prune.service"
        )
    assert re.findall(r"`TimeoutStopSec` of the API \((\d+)\)", page) == [str(seconds("api@.service"))]
    workers = re.findall(r"`TimeoutStopSec` of a worker \((\d+)\)", page)
    assert workers == ([str(seconds("worker.service"))] if JOBS else [])
    (ports,) = set(re.findall(r"for port in ([\d ]+); do", page))
    assert re.findall(r"server 127\.0\.0\.1:(\d+) max_fails=0;", page) == ports.split()


def texts() -> Iterator[str]:
    """Yield the pages for operators.

    Pages for developers are left out: they name commands that are still to be written.
    """
    pages = ("databases", "deployment", "draining", "errors", "log-events", "metrics", "operation", "runbook", "tuning")
    yield (ROOT / "README.md").read_text()
    yield from ((ROOT / f"docs/{page}.md").read_text() for page in pages)


def test_pages_name_commands_and_modules_that_exist() -> None:
    named = {name for text in texts() for name in re.findall(r"python -m app ([a-z][a-z-]*)", text)}
    assert len(named) > 8
    assert not named - NAMES
    modules = {name for text in texts() for name in re.findall(r"python (?:-P )?-m (app\.[\w.]+\w)", text)}
    assert modules
    assert not [name for name in modules if importlib.util.find_spec(name) is None]


def test_pages_name_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for text in texts() for name in re.findall(r"(?:^|`)make ([a-z][a-z-]+)", text, re.MULTILINE)}
    assert len(named) > 10
    assert not named - targets


def test_table_of_capacity_is_what_the_formulas_give() -> None:
    page = (ROOT / "docs/tuning.md").read_text()
    (held,) = re.findall(r"connections of all, held (\d+) ms \| (\d+) ms \| (\d+) ms", page)
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", page, re.MULTILINE)
    assert len(rows) > 3
    for processes, rate, *connections in rows:
        assert int(rate) == 500 * int(processes)
        estimates = [next(Load(rps=int(rate), hold_ms=int(each)).estimates()) for each in held]
        assert [str(most) for _, _, most in estimates] == connections
    # three are reserved for superusers, and a migration and a command take one each
    room = {profile.value: 95 // (each.total + pool.BESIDE_THE_GATE) for profile, each in pool.PROFILES.items()}
    said = re.findall(r"(\d+)(?: processes)? of `(small|medium|high)`", page)
    assert {name: int(number) for number, name in said} == room

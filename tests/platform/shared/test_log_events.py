"""The pages about events of the log have all of the platform's events, with their levels and fields, and no others."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[3]
PLATFORM = ROOT / "src/app/platform"
LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}
MAKERS = {"get_logger", "wrap_logger"}
ROW = re.compile(r"^\| `([a-z_]+)` \| ([a-z, ]+) \| ([^|]*?) ?\| ([^|]+) \| [^|]+ \|$", re.MULTILINE)
# rows of a page say so if only one library of jobs has the event
ONLY_ARQ = "ARQ only: "


class Event(NamedTuple):
    """What the calls of the logger have in common, or a row of a page.

    Attributes:
        levels: sorted.
        fields: those that the source names.
        open: whether some have names that only the running program knows.
        of_jobs: whether it is an event of workers.
    """

    levels: frozenset[str]
    fields: frozenset[str]
    open: bool
    of_jobs: bool


def loggers(tree: ast.AST) -> dict[str, frozenset[str]]:
    """Return the names of a module's loggers, with no level, and of methods of these, with their levels."""
    made = {}
    assigned = [
        node for node in ast.walk(tree) if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    ]
    for node in assigned:
        if isinstance(node.value, ast.Call) and getattr(node.value.func, "attr", "") in MAKERS:
            made[node.targets[0].id] = frozenset[str]()
    for node in assigned:
        named = {
            LEVELS[each.attr]
            for each in ast.walk(node.value)
            if isinstance(each, ast.Attribute) and getattr(each.value, "id", None) in made and each.attr in LEVELS
        }
        if named and not isinstance(node.value, ast.Call):
            made[node.targets[0].id] = frozenset(named)
    return made


def calls(tree: ast.AST) -> Iterator[tuple[frozenset[str], ast.Call]]:
    """Yield each call of a logger, with its levels."""
    known = loggers(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", None) in known:
            yield frozenset({LEVELS[node.func.attr]}), node
        elif isinstance(node.func, ast.Name) and known.get(node.func.id):
            yield known[node.func.id], node


@cache
def of_the_source() -> dict[str, Event]:
    found: dict[str, Event] = {}
    for path in PLATFORM.rglob("*.py"):
        text = path.read_text()
        tree = ast.parse(text)
        # no logger escapes, such as one that is never given a name
        made = [levels for levels in loggers(tree).values() if not levels]
        assert len(made) == len(re.findall(r"structlog\.(?:stdlib\.)?(?:get|wrap)_logger\(", text)), path
        for levels, call in calls(tree):
            assert isinstance(call.args[0], ast.Constant), f"{path}:{call.lineno}: the name of an event is a literal"
            fields = frozenset(each.arg for each in call.keywords if each.arg and each.arg != "exc_info")
            event = Event(levels, fields, any(not each.arg for each in call.keywords), "jobs" in path.parts)
            if before := found.get(call.args[0].value):
                event = Event(
                    before.levels | levels,
                    before.fields | fields,
                    before.open or event.open,
                    before.of_jobs and event.of_jobs,
                )
            found[call.args[0].value] = event
    return found


def listed(page: str) -> dict[str, Event]:
    rows = ROW.findall((ROOT / "docs" / page).read_text())
    if not (PLATFORM / "jobs/arq.py").exists():
        rows = [row for row in rows if not row[3].startswith(ONLY_ARQ)]
    assert len({name for name, *_ in rows}) == len(rows)
    return {
        name: Event(frozenset(levels.split(", ")), frozenset(re.findall(r"`(\w+)`", fields)), False, page == "jobs.md")
        for name, levels, fields, _ in rows
    }


@pytest.mark.parametrize("page", ["log-events.md", "jobs.md"])
def test_page_has_every_event_with_its_level_and_fields(page: str) -> None:
    known = {name: each for name, each in of_the_source().items() if each.of_jobs == (page == "jobs.md")}
    assert bool(known) == (ROOT / "docs" / page).exists()
    rows = listed(page) if known else {}
    assert rows.keys() == known.keys()
    for name, event in known.items():
        assert rows[name].levels == event.levels, name
        assert rows[name].fields >= event.fields, name
        assert event.open or rows[name].fields == event.fields, name

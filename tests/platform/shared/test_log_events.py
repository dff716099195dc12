"""The pages about events of the log have all of the platform's events, with their levels and fields, and no others."""

import ast
import re
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[3]
PLATFORM = ROOT / "src/app/platform"
LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}
MAKERS = {"get_logger", "wrap_logger"}
BINDER = "bind"
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

    def joined(self, other: "Event") -> "Event":
        open_, of_jobs = self.open or other.open, self.of_jobs and other.of_jobs
        return Event(self.levels | other.levels, self.fields | other.fields, open_, of_jobs)


def name_of(node: ast.AST) -> str:
    """Return the name of a variable or of an attribute."""
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def makes_logger(call: ast.Call, known: Collection[str]) -> bool:
    method = getattr(call.func, "attr", "")
    return method in MAKERS or (method == BINDER and name_of(getattr(call.func, "value", call)) in known)


def loggers(tree: ast.AST) -> dict[str, frozenset[str]]:
    """Return the names of a module's loggers, with no level, and of methods of these, with their levels."""
    made: dict[str, frozenset[str]] = {}
    found = [(name_of(node.targets[0]), node.value) for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    assigned = [(name, value) for name, value in found if name]
    for name, value in assigned:
        if isinstance(value, ast.Call) and makes_logger(value, made):
            made[name] = frozenset()
    for name, value in assigned:
        methods = [each for each in ast.walk(value) if isinstance(each, ast.Attribute) and name_of(each.value) in made]
        if methods and not isinstance(value, ast.Call):
            made[name] = frozenset(LEVELS[each.attr] for each in methods)
    return made


def calls(tree: ast.AST) -> Iterator[tuple[frozenset[str], ast.Call]]:
    """Yield each call of a logger, with its levels."""
    known = loggers(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or makes_logger(node, known):
            continue
        if isinstance(node.func, ast.Attribute) and name_of(node.func.value) in known:
            yield frozenset({LEVELS[node.func.attr]}), node
        elif levels := known.get(name_of(node.func)):
            yield levels, node


@cache
def of_the_source() -> dict[str, Event]:
    found: dict[str, Event] = {}
    for path in PLATFORM.rglob("*.py"):
        text = path.read_text()
        tree = ast.parse(text)
        # no logger escapes, such as one that is never given a name
        made = [levels for levels in loggers(tree).values() if not levels]
        assert len(made) == len(re.findall(r"structlog\.(?:stdlib\.)?(?:get|wrap)_logger\(|= log\.bind\(", text)), path
        for levels, call in calls(tree):
            name = ast.literal_eval(call.args[0])
            fields = frozenset(each.arg for each in call.keywords if each.arg and each.arg != "exc_info")
            event = Event(levels, fields, any(not each.arg for each in call.keywords), "jobs" in path.parts)
            found[name] = event.joined(found.get(name, event))
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

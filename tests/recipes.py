"""Performs what a page of a service's documentation tells its reader to do, word for word, and nothing else.

The page says how it is read. What looks like an instruction and is none of these is an error that names its line, so
that a page cannot be followed by luck:

    `path`:                                   and a block: a new file
    In `path`, below `line`, add `line`.      indented alike; `the first` or `the last` of several lines
    In `path`, replace `text` by `text`.      or `replace:`, a block, `by:`, a block
    In `path`, remove the line `line`.        or `remove:` and a block

and a block of `sh` is run, line by line until one fails.
"""

import re
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.shell import CommandError, run

HEADING = re.compile(r"(#+) (.+)")
LINE = r"(?:the (first|last) )?`([^`]+)`"
# What a paragraph begins with that has to be understood.
INSTRUCTION = re.compile(r"(In )?`[^`]+`[,:]|by:")


class RecipeError(AssertionError):
    """The page cannot be followed; the message names its line."""


@dataclass(frozen=True)
class Part:
    """A heading, a paragraph or a block of code."""

    line: int
    kind: str
    text: str
    # of a heading its level as #, of a block its language
    label: str = ""


def perform(project: Path, page: str, title: str, *, without: Collection[str] = (), text: str = "") -> None:
    """Do what the section of that title says, except for what is below the headings named in `without`.

    The page is read in the project, unless its text is given.

    Raises:
        RecipeError: there is no such section, or it says something that cannot be done.
    """
    read = text or (project / page).read_text()
    _Recipe(project, page, section(list(parts(read)), title, without)).follow()


def titles(text: str) -> list[str]:
    """All headings of a page."""
    return [part.text for part in parts(text) if part.kind == "heading"]


def parts(text: str) -> Iterator[Part]:
    """What a page consists of."""
    lines = deque(enumerate(text.splitlines(), start=1))
    while lines:
        number, line = lines.popleft()
        if line.startswith("```"):
            body: list[str] = []
            while lines and lines[0][1] != "```":
                body.append(lines.popleft()[1])
            if not lines:
                raise RecipeError(f"line {number}: this block does not end")
            lines.popleft()
            yield Part(number, "block", "\n".join(body) + "\n", line[3:])
        elif heading := HEADING.fullmatch(line):
            yield Part(number, "heading", heading[2], heading[1])
        elif line:
            while lines and lines[0][1] and not lines[0][1].startswith("```"):
                line += " " + lines.popleft()[1]
            yield Part(number, "paragraph", line)


def section(page: list[Part], title: str, without: Collection[str] = ()) -> list[Part]:
    """The parts below a heading, to the next one that is not below it."""
    (start,) = _find(page, title)
    level = page[start].label
    end = next(
        (i for i in range(start + 1, len(page)) if page[i].kind == "heading" and len(page[i].label) <= len(level)),
        len(page),
    )
    found = page[start:end]
    for each in without:
        left_out = section(found, each)
        found = [part for part in found if part not in left_out]
    return found


def _find(page: list[Part], title: str) -> list[int]:
    found = [i for i, part in enumerate(page) if part.kind == "heading" and part.text == title]
    if len(found) != 1:
        raise RecipeError(f"{len(found)} headings are {title!r}, there should be one")
    return found


class _Recipe:
    """One section, followed from top to bottom."""

    def __init__(self, project: Path, page: str, todo: list[Part]) -> None:
        self._project = project
        self._page = page
        self._todo = deque(todo)
        self._line = 0
        self._steps: dict[str, Callable[..., None]] = {
            r"`([^`]+)`:": self._create,
            rf"In `([^`]+)`, below {LINE}, add `([^`]+)`\.": self._add,
            r"In `([^`]+)`, replace `([^`]+)` by `([^`]+)`\.": self._replace,
            r"In `([^`]+)`, replace:": self._replace_block,
            r"In `([^`]+)`, remove the line `([^`]+)`\.": self._remove_line,
            r"In `([^`]+)`, remove:": self._remove_block,
        }

    def follow(self) -> None:
        while self._todo:
            part = self._todo.popleft()
            self._line = part.line
            if part.kind == "block":
                self._run(part)
            elif part.kind == "paragraph":
                self._obey(part.text)

    def _obey(self, text: str) -> None:
        for pattern, step in self._steps.items():
            if found := re.fullmatch(pattern, text):
                return step(*found.groups())
        if INSTRUCTION.match(text):
            raise self._error(f"this is not understood: {text}")
        return None

    def _run(self, block: Part) -> None:
        if block.label != "sh":
            raise self._error("it is not said what this block is for")
        try:
            run("sh", "-ec", block.text, cwd=self._project)
        except CommandError as error:
            raise self._error(str(error)) from error

    def _create(self, name: str) -> None:
        path = self._path(name)
        if path.exists():
            raise self._error(f"{name} exists already")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._block())

    def _add(self, name: str, which: str | None, line: str, new: str) -> None:
        lines = self._read(name).splitlines(keepends=True)
        places = [number for number, each in enumerate(lines) if each.strip() == line]
        if not places or (len(places) > 1 and not which):
            raise self._error(f"{len(places)} lines of {name} are {line!r}")
        place = places[-1] if which == "last" else places[0]
        lines[place] += lines[place].replace(line, new)
        self._path(name).write_text("".join(lines))

    def _replace(self, name: str, old: str, new: str) -> None:
        text = self._read(name)
        if text.count(old) != 1:
            raise self._error(f"{name} has {text.count(old)} times {old!r}")
        self._path(name).write_text(text.replace(old, new))

    def _replace_block(self, name: str) -> None:
        old = self._block()
        if not self._todo or self._todo.popleft().text != "by:":
            raise self._error("it is not said by what to replace it")
        # without the end of the line, since a block may end within one
        self._replace(name, old.removesuffix("\n"), self._block().removesuffix("\n"))

    def _remove_line(self, name: str, line: str) -> None:
        lines = self._read(name).splitlines(keepends=True)
        left = [each for each in lines if each.strip() != line]
        if len(lines) - len(left) != 1:
            raise self._error(f"{len(lines) - len(left)} lines of {name} are {line!r}")
        self._path(name).write_text("".join(left))

    def _remove_block(self, name: str) -> None:
        self._replace(name, self._block(), "")

    def _block(self) -> str:
        if not self._todo or self._todo[0].kind != "block":
            raise self._error("there should be a block below it")
        return self._todo.popleft().text

    def _path(self, name: str) -> Path:
        # the name of a migration begins with what only Alembic knows
        names = [str(path.relative_to(self._project)) for path in self._project.glob(name)] if "*" in name else [name]
        if len(names) != 1:
            raise self._error(f"{len(names)} files are {name}")
        path = (self._project / names[0]).resolve()
        if not path.is_relative_to(self._project.resolve()):
            raise self._error(f"{name} is not in the project")
        return path

    def _read(self, name: str) -> str:
        path = self._path(name)
        if not path.is_file():
            raise self._error(f"there is no {name}")
        return path.read_text()

    def _error(self, message: str) -> RecipeError:
        return RecipeError(f"{self._page}, line {self._line}: {message}")

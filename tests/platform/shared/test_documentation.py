"""The pages about settings and errors agree with the code."""

import re
from collections.abc import Iterator
from pathlib import Path

from app.config import Settings
from app.main import create_app
from app.platform.db import errors as db_errors
from app.platform.db.errors import Goes
from app.platform.errors import AppError
from app.platform.reference import settings_table, variables
from app.platform.settings import PlatformSettings

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"^\| `([A-Z0-9_]+)` \| ([^|]*) \| ([^|]*)\| ([^|]+) \| (\d+\.\d+\.\d+) \|$", re.MULTILINE)
CODE = re.compile(r"^\| `([a-z_]+)` \| (\d+) \| (.*?) \|", re.MULTILINE)


def documented() -> dict[str, str]:
    # a row without meaning or release is none
    return {name: default for name, default, *_ in ROW.findall((ROOT / "docs/settings.md").read_text())}


def of_the_page() -> dict[str, str]:
    """Return the platform's variables, without those of jobs, which are in a page of their own."""
    found = {name: default for name, default, _ in variables(PlatformSettings)}
    return {name: default for name, default in found.items() if not name.startswith("TASKS_")}


def test_page_has_every_setting_with_its_default() -> None:
    assert documented() == of_the_page()


def test_page_about_jobs_has_their_settings() -> None:
    page = ROOT / "docs/jobs.md"
    names = [name for name, _, _ in variables(PlatformSettings) if name.startswith("TASKS_")]
    assert bool(names) == page.exists()
    assert not [name for name in names if f"`{name}`" not in page.read_text()]


def test_example_names_only_settings_that_exist() -> None:
    named = re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    # one that only compose.yaml reads
    assert "POSTGRES_PASSWORD" in named
    assert set(named) - {"POSTGRES_PASSWORD"} <= {name for name, _, _ in variables(Settings)}
    assert len(named) >= 8


def test_table_of_the_command_has_every_variable() -> None:
    table = settings_table(Settings)
    assert [line.split("`")[1] for line in table.splitlines()[2:]] == [name for name, _, _ in variables(Settings)]


def errors(kind: type[AppError] = AppError) -> Iterator[type[AppError]]:
    for each in kind.__subclasses__():
        yield from errors(each)
    yield kind


def test_table_of_causes_is_that_of_the_code() -> None:
    page = (ROOT / "docs/errors.md").read_text().partition("## Errors of the database")[2].partition("## In the log")[0]
    listed = [tuple(cell.strip(" `") for cell in line.split("|")[1:5]) for line in page.splitlines() if "| `" in line]
    goes = {Goes.NONE: "none", Goes.THIS: "this one", Goes.ALL: "all"}
    found = db_errors.MEANINGS
    known = [(each.cause, each.answer.code, goes[each.goes], "yes" if each.repeatable else "no") for each in found]
    assert listed == sorted(known)


def test_page_has_every_code_of_the_platform(settings: Settings) -> None:
    # imports all of them
    create_app(settings)
    platform = {(each.code, str(each.status), each.title) for each in errors() if "app.platform." in each.__module__}
    listed = set(CODE.findall((ROOT / "docs/errors.md").read_text()))
    # the commands of jobs raise one that no request gets
    missing = {each for each in platform if each[0] != "job_not_found"} - listed
    assert not missing
    known = {(each.code, str(each.status), each.title) for each in errors() if each.__module__.startswith("app.")}
    assert not listed - known

"""Finds the migrations of an update and runs them.

Copier calls this once for each release between the two versions, and for each stage. Only the call for the newest
release does anything, and it does the work of all releases: the steps run one release after the other, and files are
merged once at the end. So a later release can move again what an earlier one moved.
"""

import importlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from packaging.version import InvalidVersion, Version

from hooks.errors import MigrationError
from hooks.hidden import name_hidden
from hooks.landing import land
from hooks.update import Update

TEMPLATE = Path(__file__).resolve().parents[1]
_NAME = re.compile(r"v(\d+)_(\d+)_(\d+)")


def main(arguments: Sequence[str]) -> int:
    """Run the migrations of Copier's environment on the current directory; return the exit status."""
    try:
        if len(arguments) != 1:
            raise MigrationError("give the path of the answers file, as the entries in copier.yml do")
        _run(os.environ, arguments[0])
    except MigrationError as error:
        sys.stderr.write(f"Migration failed, the update is incomplete: {error}\n")
        return 1
    return 0


def _run(environment: Mapping[str, str], answers_file: str) -> None:
    stage = _get(environment, "STAGE")
    if stage not in {"before", "after"}:
        raise MigrationError(f"STAGE is {stage!r}; there are before and after")
    current = _version(environment, "VERSION_CURRENT")
    pending = _pending(_version(environment, "VERSION_PEP440_FROM"), _version(environment, "VERSION_PEP440_TO"))
    if current not in pending:
        raise MigrationError(
            f"there is no hooks/migrations/{_module(current)}.py for {current} between the two versions"
        )
    if current != pending[-1]:
        return
    since, until = (_get(environment, name) for name in ("VERSION_FROM", "VERSION_TO"))
    update = Update(Path.cwd(), TEMPLATE, since, until, answers_file)
    for version in pending:
        step = getattr(_load(version), stage, None)
        if step:
            step(update)
    if stage == "after":
        if update.touched:
            land(update)
        name_hidden(update)


def _pending(since: Version, until: Version) -> list[Version]:
    """Return the releases with a migration after `since` and up to `until`, oldest first."""
    names = (path.stem for path in (TEMPLATE / "hooks" / "migrations").glob("v*.py"))
    versions = [Version(".".join(found.groups())) for name in names if (found := _NAME.fullmatch(name))]
    return sorted(version for version in versions if since < version <= until)


def _module(version: Version) -> str:
    return f"v{version.major}_{version.minor}_{version.micro}"


def _load(version: Version) -> ModuleType:
    return importlib.import_module(f"hooks.migrations.{_module(version)}")


def _get(environment: Mapping[str, str], name: str) -> str:
    if not environment.get(name):
        raise MigrationError(f"{name} is not set; this is run by copier update")
    return environment[name]


def _version(environment: Mapping[str, str], name: str) -> Version:
    text = _get(environment, name)
    try:
        return Version(text)
    except InvalidVersion as error:
        raise MigrationError(f"{name} is no version: {text!r}") from error

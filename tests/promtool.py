"""Finds promtool: installed in the system, else in Debian's package, unpacked without root into a cache of the user."""

import shutil
from pathlib import Path

from tests.platform.support import debian

INSTALL = "no promtool found: install it (prometheus on Debian, Ubuntu and in Homebrew)"
CACHE = debian.CACHES / "promtool-of-tests"


def find() -> str:
    """Return the command that tests rules and parses queries.

    Raises:
        ServiceError: there is none, and Debian's package cannot be fetched.
    """
    if installed := shutil.which("promtool"):
        return installed
    debian.fetch("prometheus", CACHE, command_in, INSTALL)
    return command_in(CACHE)[0]


def command_in(root: Path) -> list[str]:
    """Return the command that runs what was unpacked here."""
    return [str(root / "usr/bin/promtool")]

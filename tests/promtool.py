"""Finds the programs of Prometheus: those of the system, else of Debian's package, which a cache of the user keeps."""

import shutil
from pathlib import Path

from tests.platform.support import debian

INSTALL = "no {} found: install it (prometheus on Debian, Ubuntu and in Homebrew)"
CACHE = debian.CACHES / "promtool-of-tests"


def find(program: str = "promtool") -> str:
    """Return the command that tests rules and parses queries, or the server of the same package, `prometheus`.

    Raises:
        ServiceError: there is none, and Debian's package cannot be fetched.
    """
    if installed := shutil.which(program):
        return installed
    debian.fetch("prometheus", CACHE, command_in, INSTALL.format(program))
    return str(CACHE / "usr/bin" / program)


def command_in(root: Path) -> list[str]:
    """Return the command that runs what was unpacked here."""
    return [str(root / "usr/bin/promtool")]

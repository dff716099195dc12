"""Finds PgBouncer: installed in the system, else Debian's package, unpacked without root into a cache of the user."""

import os
import shutil
from pathlib import Path

from tests.platform.support import debian

INSTALL = "no PgBouncer found: install it (pgbouncer on Debian, Ubuntu, Fedora and in Homebrew)"
# distributions keep servers out of the PATH of ordinary users
PLACES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
CACHE = debian.CACHES / "pgbouncer-of-tests"


def find(places: str = PLACES, cache: Path = CACHE) -> list[str]:
    """Return the command that runs PgBouncer.

    Raises:
        ServiceError: there is none, and Debian's package cannot be fetched.
    """
    if installed := shutil.which("pgbouncer", path=places):
        return [installed]
    debian.fetch("pgbouncer", cache, command_in, INSTALL)
    return command_in(cache)


def command_in(root: Path) -> list[str]:
    """Return the command that runs what was unpacked here, with the libraries that were unpacked beside it."""
    folders = [*root.glob("lib/*-linux-*"), *root.glob("usr/lib/*-linux-*")]
    libraries = os.pathsep.join(str(path) for path in folders)
    return ["/usr/bin/env", f"LD_LIBRARY_PATH={libraries}", str(root / "usr/sbin/pgbouncer")]

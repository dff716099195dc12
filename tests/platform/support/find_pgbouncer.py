"""Finds PgBouncer: installed in the system, else Debian's package, unpacked without root into a cache of the user."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dev.errors import ServiceError

SECONDS = 120.0
INSTALL = "no PgBouncer found: install it (pgbouncer on Debian, Ubuntu, Fedora and in Homebrew)"
# distributions keep servers out of the PATH of ordinary users
PLACES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pgbouncer-of-tests"

_LIBRARY = re.compile(r"^  Depends: (lib\S+)$", re.MULTILINE)


def find(places: str = PLACES, cache: Path = CACHE) -> list[str]:
    """Return the command that runs PgBouncer.

    Raises:
        ServiceError: there is none, and Debian's package cannot be fetched.
    """
    if installed := shutil.which("pgbouncer", path=places):
        return [installed]
    if not cache.is_dir():
        _fetch(cache)
    return command_in(cache)


def command_in(root: Path) -> list[str]:
    """Return the command that runs what was unpacked here, with the libraries that were unpacked beside it."""
    folders = [*root.glob("lib/*-linux-*"), *root.glob("usr/lib/*-linux-*")]
    libraries = os.pathsep.join(str(path) for path in folders)
    return ["/usr/bin/env", f"LD_LIBRARY_PATH={libraries}", str(root / "usr/sbin/pgbouncer")]


def _fetch(cache: Path) -> None:
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        # of several processes each fetches its own, and the first one is kept
        with tempfile.TemporaryDirectory(dir=cache.parent) as folder:
            draft = _unpacked(Path(folder))
            _run([*command_in(draft), "--version"])
            if not cache.is_dir():
                draft.rename(cache)
    except (OSError, subprocess.SubprocessError) as error:
        printed = getattr(error, "stderr", None) or str(error)
        reason = printed.strip().splitlines()[-1]
        raise ServiceError(f"{INSTALL}; Debian's package cannot be fetched either: {reason}") from error


def _unpacked(folder: Path) -> Path:
    """Unpack PgBouncer and the libraries it needs and the system lacks."""
    try:
        return _download(folder / "root", ())
    except subprocess.CalledProcessError:
        # the system has no list of packages, or an old one
        lists = folder / "lists"
        (lists / "partial").mkdir(parents=True)
        options = ("-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={folder}", "-o", "APT::Sandbox::User=root")
        _run(["apt-get", *options, "update"])
        return _download(folder / "root", options)


def _download(root: Path, options: Sequence[str]) -> Path:
    depends = _run(["apt-cache", *options, "depends", "pgbouncer"])
    installed = _run(["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n"]).splitlines()
    libraries = [name for name in _LIBRARY.findall(depends) if f"{name} installed" not in installed]
    with tempfile.TemporaryDirectory(dir=root.parent) as folder:
        _run(["apt-get", *options, "download", "pgbouncer", *libraries], Path(folder))
        for archive in Path(folder).glob("*.deb"):
            _run(["dpkg-deb", "-x", str(archive), str(root)])
    return root


def _run(command: list[str], folder: Path | None = None) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=True)
    return done.stdout

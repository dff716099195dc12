"""Allows one server per data directory, by means of a file lock instead of process ids."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.errors import ServiceError

# The server ends moments after a `kill -9` of its launcher; wait for that, so that a restart works.
PATIENCE_SECONDS = 2.0
# The first start on a slow machine; who may use the server of another run waits until it is ready, or gone.
JOIN_SECONDS = 30.0


@contextmanager
def locked(path: Path, busy: Callable[[], str], can_join: Callable[[], bool] | None = None) -> Iterator[int | None]:
    """Hold the lock and yield its descriptor; it stays locked while any process has the descriptor open.

    With `can_join`, yield None without the lock as soon as that tells that another run's server can be used.

    Servers inherit the descriptor. So the lock is reliable where process ids are not: after a crash
    that left a server behind, and between containers that share the directory.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ServiceError(f"cannot write {path}: {error.strerror}") from error
    try:
        yield descriptor if _acquire(descriptor, busy, can_join) else None
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, busy: Callable[[], str], can_join: Callable[[], bool] | None) -> bool:
    """Return True with the lock, False if another run's server can be used."""
    deadline = time.monotonic() + (JOIN_SECONDS if can_join else PATIENCE_SECONDS)
    while True:
        if can_join and can_join():
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ServiceError(busy()) from None
            time.sleep(0.05)
        else:
            return True

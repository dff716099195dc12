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


@contextmanager
def locked(path: Path, busy: Callable[[], str]) -> Iterator[int]:
    """Hold the lock and yield its descriptor; it stays locked while any process has the descriptor open.

    Servers inherit the descriptor. So the lock is reliable where process ids are not: after a crash
    that left a server behind, and between containers that share the directory.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ServiceError(f"cannot write {path}: {error.strerror}") from error
    try:
        if not _acquire(descriptor):
            raise ServiceError(busy())
        yield descriptor
    finally:
        os.close(descriptor)


def _acquire(descriptor: int) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        else:
            return True

"""One server per data directory, told by a file lock instead of by process ids."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.errors import ServiceError

# After `kill -9` of a launcher its server is gone within moments: a restart should just work.
PATIENCE_SECONDS = 2.0


@contextmanager
def locked(path: Path, busy: Callable[[], str]) -> Iterator[int]:
    """Hold the lock and yield its descriptor; it stays locked while any heir of it is open.

    Servers inherit the descriptor. So the lock is right where process ids mislead: after a crash
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

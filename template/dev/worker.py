"""The worker that `make run` starts beside the service."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from dev.command import GUARD

# migrates as well, since it may be there first; one of both does the work
COMMAND = ("sh", "-c", '"$0" -m app migrate && exec "$0" -m app worker', sys.executable)
STOP_SECONDS = 40.0


@contextmanager
def worker(environment: Mapping[str, str]) -> Iterator[None]:
    """Keep a worker running; it is ended with the block, and when this process vanishes."""
    # a group of its own: Ctrl-C is for the service, and the worker is told once that has ended
    with subprocess.Popen(COMMAND, env=environment, process_group=0) as process:
        guard = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", GUARD, str(process.pid)], stdin=subprocess.PIPE, start_new_session=True
        )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            guard.communicate(b"q")

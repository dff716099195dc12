"""Metrics of several processes: each keeps them in files of its own in a shared directory, and any can add them up.

prometheus_client reads the environment variable at its import, so it must be set before these processes start.
"""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from app.platform.errors import StartupError

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_ROOM = 1_048_576
"""Bytes for the first files of a few processes; where a page of one finds no room, the kernel kills its process."""
_BLOCK = bytes(65_536)
_FILE = re.compile(r"(counter|summary|histogram|gauge_[a-z]+)_\d+\.db")


@contextmanager
def shared_directory(given: str | None = None) -> Iterator[None]:
    """Let processes started inside the block keep their metrics in `given`, or else in a temporary directory.

    Raises:
        StartupError: the directory is not writable, or has no room.
    """
    with ExitStack() as stack:
        try:
            directory = given or stack.enter_context(tempfile.TemporaryDirectory(prefix="metrics-"))
            _empty(Path(directory))
        except OSError as error:
            message = f"{VARIABLE}: cannot write to {given or 'a temporary directory'}: {error.strerror}"
            raise StartupError(message) from error
        os.environ[VARIABLE] = directory
        stack.callback(os.environ.pop, VARIABLE, None)
        yield


def _empty(directory: Path) -> None:
    """Create the directory, and remove the files of earlier runs: counters start at 0 with the service."""
    directory.mkdir(parents=True, exist_ok=True)
    for file in directory.iterdir():
        if _FILE.fullmatch(file.name):
            file.unlink()
    with tempfile.TemporaryFile(dir=directory, buffering=0) as probe:
        for _ in range(_ROOM // len(_BLOCK)):
            probe.write(_BLOCK)


def collect(directory: Path) -> list[Metric]:
    """Return the metrics of all processes, added up.

    Skip the live gauges of dead processes. Their counters and histograms stay until the service restarts, because a
    shrinking sum would look like a restart to Prometheus.
    """
    files = [str(file) for file in directory.glob("*.db") if _FILE.fullmatch(file.name) and _is_readable(file)]
    return list(MultiProcessCollector.merge(files))  # type: ignore[no-untyped-call]


def _is_readable(file: Path) -> bool:
    """Return whether to read the file; remove it if it holds live gauges of a dead process.

    Several processes may collect at once, so another one may have removed the file already.
    """
    if file.name.startswith("gauge_live") and not _is_alive(int(file.stem.rpartition("_")[2])):
        file.unlink(missing_ok=True)
        return False
    try:
        # a new file is empty for a moment
        return file.stat().st_size > 0
    except FileNotFoundError:
        return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def add(own: Iterable[Metric], others: Iterable[Metric]) -> list[Metric]:
    """Return the metrics of this process, with those of other processes added to them.

    Skip the others' samples with the label `pid`: these are gauges that cannot be added up, and this process has its
    own value of them.
    """
    metrics = {metric.name: metric for metric in own}
    for other in others:
        metric = metrics.setdefault(other.name, Metric(other.name, other.documentation, other.type))
        samples = {(each.name, frozenset(each.labels.items())): each for each in metric.samples}
        for each in other.samples:
            if "pid" not in each.labels:
                key = (each.name, frozenset(each.labels.items()))
                before = samples[key].value if key in samples else 0
                samples[key] = each._replace(value=before + each.value)
        metric.samples = list(samples.values())
    return list(metrics.values())

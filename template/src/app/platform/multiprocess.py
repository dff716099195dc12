"""Metrics of several processes: each counts in files of its own, all in one directory, and any of them can add them up.

prometheus_client looks at the variable as it is imported, so it has to be there before such a process starts.
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
_FILE = re.compile(r"(counter|summary|histogram|gauge_[a-z]+)_\d+\.db")


@contextmanager
def shared_directory(given: str | None = None) -> Iterator[None]:
    """Have the processes that are started from here on count in `given`, or else in a directory that is removed again.

    Raises:
        StartupError: the directory cannot be written.
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
    """Make the directory, and remove what an earlier run left: counters start at 0 with the service."""
    directory.mkdir(parents=True, exist_ok=True)
    for file in directory.iterdir():
        if _FILE.fullmatch(file.name):
            file.unlink()
    with tempfile.TemporaryFile(dir=directory):
        pass


def collect(directory: Path) -> list[Metric]:
    """What the processes have counted, added up.

    Live gauges of a process that died are forgotten. Its counters and histograms stay until the service starts anew:
    a sum that shrinks would look like a restart to Prometheus.
    """
    files = [str(file) for file in directory.glob("*.db") if _FILE.fullmatch(file.name) and _counts(file)]
    return list(MultiProcessCollector.merge(files))  # type: ignore[no-untyped-call]


def _counts(file: Path) -> bool:
    """Whether the file is to be read; several processes may be asked at once, and each removes what is to go."""
    if file.name.startswith("gauge_live") and not _lives(int(file.stem.rpartition("_")[2])):
        file.unlink(missing_ok=True)
        return False
    try:
        # empty for a moment, while its process begins it
        return file.stat().st_size > 0
    except FileNotFoundError:
        return False


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def add(own: Iterable[Metric], others: Iterable[Metric]) -> list[Metric]:
    """The metrics of this process with those of others added to them.

    A gauge that is no sum has the label `pid` in those of others. It is left out: this process knows what it shows.
    """
    families = {family.name: family for family in own}
    for other in others:
        family = families.setdefault(other.name, Metric(other.name, other.documentation, other.type))
        samples = {(each.name, frozenset(each.labels.items())): each for each in family.samples}
        for each in other.samples:
            if "pid" not in each.labels:
                key = (each.name, frozenset(each.labels.items()))
                before = samples[key].value if key in samples else 0
                samples[key] = each._replace(value=before + each.value)
        family.samples = list(samples.values())
    return list(families.values())

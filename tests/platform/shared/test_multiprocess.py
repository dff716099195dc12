"""Processes that keep their metrics in files: the directory, its clean-up, and the totals."""

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfile

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric

from app.platform import multiprocess
from app.platform.errors import StartupError
from tests.support.server import environment

COUNT = """
from prometheus_client import Counter, Gauge, Histogram
Counter("things", "").inc(2)
Histogram("seconds", "", buckets=[1]).observe(0.5)
Gauge("open", "", multiprocess_mode="livesum").set(3)
Gauge("each", "").set(7)
print(flush=True)
input()
"""


@contextmanager
def counting(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a process with metrics in the directory; kill it at the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-c", COUNT],
        env=environment("", PROMETHEUS_MULTIPROC_DIR=str(directory)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "\n"
        try:
            yield process
        finally:
            process.kill()


def values(found: list[Metric]) -> dict[str, float]:
    return {each.name + each.labels.get("le", ""): each.value for metric in found for each in metric.samples}


def live_gauges(directory: Path) -> list[str]:
    return sorted(file.name for file in directory.glob("gauge_live*"))


def test_private_directory_is_there_for_children_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(multiprocess.VARIABLE, raising=False)
    with multiprocess.shared_directory():
        directory = Path(os.environ[multiprocess.VARIABLE])
        assert list(directory.iterdir()) == []
    assert not directory.exists()
    assert multiprocess.VARIABLE not in os.environ


def test_given_directory_is_made_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(multiprocess.VARIABLE, raising=False)
    given = tmp_path / "made" / "for us"
    with multiprocess.shared_directory(str(given)):
        assert os.environ[multiprocess.VARIABLE] == str(given)
    assert given.is_dir()


def test_full_directory_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Otherwise each process would be killed by SIGBUS without a word."""
    monkeypatch.delenv(multiprocess.VARIABLE, raising=False)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, hard))
    try:
        with pytest.raises(StartupError) as refused, multiprocess.shared_directory(str(tmp_path)):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(refused.value) == f"{multiprocess.VARIABLE}: cannot write to {tmp_path}: {os.strerror(errno.EFBIG)}"
    assert list(tmp_path.iterdir()) == []


def test_only_metrics_of_an_earlier_run_are_removed(tmp_path: Path) -> None:
    kept = {"notes.db", "counter_all.db", "gauge_livesum_7.db.bak", "counters"}
    for name in ("counter_1.db", "histogram_22.db", "summary_3.db", "gauge_livesum_7.db", "gauge_all_7.db", *kept):
        (tmp_path / name).write_text("old")
    with multiprocess.shared_directory(str(tmp_path)):
        assert {file.name for file in tmp_path.iterdir()} == kept


def test_directory_that_cannot_be_written_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(StartupError) as refused, multiprocess.shared_directory(f"{file}/below"):
        pass
    assert str(refused.value) == f"PROMETHEUS_MULTIPROC_DIR: cannot write to {file}/below: Not a directory"
    monkeypatch.setattr("tempfile.tempdir", str(file))
    with pytest.raises(StartupError) as refused, multiprocess.shared_directory():
        pass
    assert str(refused.value).startswith("PROMETHEUS_MULTIPROC_DIR: cannot write to a temporary directory: ")


def test_dead_processes_leave_their_counters_only(tmp_path: Path) -> None:
    with counting(tmp_path), counting(tmp_path) as other:
        found = values(multiprocess.collect(tmp_path))
        assert (found["things_total"], found["seconds_bucket1.0"], found["open"]) == (4, 2, 6)
        other.kill()
        other.wait()
        found = values(multiprocess.collect(tmp_path))
        assert (found["things_total"], found["seconds_count"], found["open"]) == (4, 2, 3)
        assert not [name for name in live_gauges(tmp_path) if f"_{other.pid}." in name]
    found = values(multiprocess.collect(tmp_path))
    assert found["things_total"] == 4
    assert "open" not in found
    assert live_gauges(tmp_path) == []


def test_process_of_another_user_counts_as_alive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError

    with counting(tmp_path):
        monkeypatch.setattr("os.kill", refuse)
        assert values(multiprocess.collect(tmp_path))["open"] == 3
        monkeypatch.undo()


def test_empty_and_vanished_files_are_skipped(tmp_path: Path) -> None:
    with counting(tmp_path):
        (tmp_path / "counter_1.db").touch()
        (tmp_path / "counter_2.db").symlink_to(tmp_path / "gone")
        (tmp_path / "notes.db").write_text("not ours")
        assert values(multiprocess.collect(tmp_path))["things_total"] == 2


def test_many_may_collect_while_files_are_removed(tmp_path: Path) -> None:
    with counting(tmp_path) as process, ThreadPoolExecutor(4) as threads:
        process.kill()
        process.wait()
        (file,) = tmp_path.glob("gauge_livesum_*")
        for number in range(200):
            copyfile(file, tmp_path / f"gauge_livesum_{2_000_000_000 + number}.db")
        found = list(threads.map(multiprocess.collect, [tmp_path] * 8))
    assert {values(each)["things_total"] for each in found} == {2}
    assert live_gauges(tmp_path) == []


def test_own_numbers_are_added_to_those_of_others(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    Counter("things", "", registry=registry).inc(10)
    Histogram("seconds", "", buckets=[1], registry=registry).observe(5)
    Gauge("open", "", registry=registry).set(20)
    Gauge("each", "", registry=registry).set(30)
    Gauge("own", "", registry=registry).set(40)
    with counting(tmp_path), counting(tmp_path):
        found = values(multiprocess.add(registry.collect(), multiprocess.collect(tmp_path)))
    assert (found["things_total"], found["open"]) == (14, 26)
    assert (found["seconds_bucket1.0"], found["seconds_bucket+Inf"], found["seconds_sum"]) == (2, 3, 6)
    # gauges that cannot be added up keep this process's value
    assert (found["each"], found["own"]) == (30, 40)
    with counting(tmp_path):
        assert values(multiprocess.add([], multiprocess.collect(tmp_path)))["open"] == 3

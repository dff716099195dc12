"""A parent of two workers that are no processes."""

import signal

import pytest

from app.platform.http import workers
from app.platform.http.draining import Config
from app.platform.http.workers import Workers
from tests.platform.support.fake_workers import FakeWorker


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[FakeWorker]:
    """Return the workers that were started."""
    FakeWorker.made, FakeWorker.refusals = [], 0
    monkeypatch.setattr(workers, "Worker", FakeWorker)
    # uvicorn's parent handles signals from its beginning
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return FakeWorker.made


@pytest.fixture
def parent(made: list[FakeWorker]) -> Workers:
    assert made == []
    parent = Workers(Config("app.main:create_app", drain=60, workers=2, log_config=None), [])
    parent.init_processes()
    return parent

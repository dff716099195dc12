"""One of several workers, as itself and as its parent sees it. It is no process."""

import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import pytest

from app.platform.http import worker as worker_module
from app.platform.http.draining import Config
from app.platform.http.worker import Worker

RETIRE = "retire"


class FakePipe:
    """The parent's end of a pipe to a worker; answers are what the worker has said."""

    def __init__(self) -> None:
        self.answers: list[bool] = []
        self.sent: list[object] = []

    def poll(self) -> bool:
        return bool(self.answers)

    def recv(self) -> bool:
        return self.answers.pop(0)

    def send(self, message: object) -> None:
        self.sent.append(message)


class Clock:
    """The time that a worker's parent sees."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


@pytest.fixture
def pipe() -> FakePipe:
    return FakePipe()


@pytest.fixture
def worker(clock: Clock, pipe: FakePipe, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """Return a worker without a process."""
    assert clock.now == 1000
    config = Config(
        "app.main:create_app", drain=60, log_config=None, timeout_worker_healthcheck=30, timeout_graceful_shutdown=10
    )
    worker = Worker(config, [])
    monkeypatch.setattr(worker, "parent_conn", pipe)
    monkeypatch.setattr(worker.process, "is_alive", lambda: True)
    return worker


def test_worker_that_does_not_answer_counts_as_dead(worker: Worker, clock: Clock, pipe: FakePipe) -> None:
    clock.now += 89
    assert worker.lives()
    pipe.answers = [False, True]
    assert worker.lives()
    assert (worker.has_served, len(pipe.sent)) == (True, 2)
    clock.now += 29
    assert worker.lives()
    clock.now += 2
    assert not worker.lives()


def test_worker_that_answers_but_never_serves_counts_as_dead(worker: Worker, clock: Clock, pipe: FakePipe) -> None:
    for _ in range(30):
        clock.now += 20
        pipe.answers = [False]
        assert worker.lives()
    clock.now += 20
    pipe.answers = [False]
    assert not worker.lives()
    # one that has begun to serve has no such limit
    pipe.answers = [True]
    assert worker.lives()


@pytest.mark.parametrize(("has_served", "expected"), [(True, []), (False, [signal.SIGTERM])])
def test_retired_worker_is_killed_once_when_it_does_not_end(
    worker: Worker,
    clock: Clock,
    pipe: FakePipe,
    monkeypatch: pytest.MonkeyPatch,
    *,
    has_served: bool,
    expected: list[signal.Signals],
) -> None:
    sent: list[signal.Signals] = []
    monkeypatch.setattr(worker, "send", sent.append)
    worker.has_served = has_served
    assert not worker.kill_when_late()
    worker.retire()
    assert (pipe.sent, sent) == ([RETIRE], expected)
    clock.now += 99
    assert not worker.kill_when_late()
    clock.now += 1
    assert worker.kill_when_late()
    assert sent == [*expected, signal.SIGKILL]
    assert not worker.kill_when_late()


class FakeServer:
    """A server that serves at once, and does nothing."""

    retired = threading.Event()

    def __init__(self, _: Config, *, supervised: bool, when_started: Callable[[], object]) -> None:
        assert supervised
        self.started = False
        self._when_started = when_started

    def run(self, _: object) -> None:
        self.started = True
        self._when_started()

    def retire(self) -> None:
        self.retired.set()


def test_worker_tells_that_it_serves_answers_retires_and_ends_with_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    received, ended = [], threading.Event()

    def kill(pid: int, number: int) -> None:
        received.append((pid, number))
        ended.set()

    worker = Worker(Config("app.main:create_app", drain=60, log_config=None), [])
    monkeypatch.setattr(worker_module, "Server", FakeServer)
    # the worker handles signals from its beginning
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(os, "kill", kill)
    with Connection(os.dup(worker.parent_conn.fileno())) as parent:
        worker.target([])
        # without a question: the parent has to know it, also when the worker dies next
        assert parent.poll(10)
        assert parent.recv() is True
        parent.send("ping")
        assert parent.poll(10)
        assert parent.recv() is True
        parent.send(RETIRE)
        assert FakeServer.retired.wait(10)
        assert received == []
    assert ended.wait(10)
    assert received == [(os.getpid(), signal.SIGTERM)]

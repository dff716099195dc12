"""The parent of several workers: what it makes of signals and of workers that end. The workers are no processes."""

import signal
import time

import pytest

from app.platform.http import workers
from app.platform.http.draining import Config
from app.platform.http.workers import Workers


class FakeWorker:
    """A worker that does what a test says."""

    made: list["FakeWorker"]
    can_start = True
    pid = 7

    def __init__(self, *_: object) -> None:
        self.has_served = False
        self.exitcode: int | None = None
        self.signals: list[int] = []
        self.made.append(self)

    def start(self) -> None: ...

    def kill(self) -> None: ...

    def join(self) -> None: ...

    def wait_until_ready(self, *_: object) -> bool:
        self.has_served = self.can_start
        return self.can_start

    def lives(self) -> bool:
        return self.exitcode is None

    def send(self, number: signal.Signals) -> None:
        self.signals.append(number)
        self.exitcode = 0


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[FakeWorker]:
    """Return the workers that were started."""
    FakeWorker.made = []
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


def test_both_are_replaced_when_they_have_served(parent: Workers, made: list[FakeWorker]) -> None:
    for each in made:
        each.has_served, each.exitcode = True, -9
    parent.keep_subprocess_alive()
    assert len(made) == 4
    assert not parent.should_exit.is_set()


def test_start_has_failed_when_no_worker_has_served(parent: Workers, made: list[FakeWorker]) -> None:
    made[0].exitcode = 3
    parent.keep_subprocess_alive()
    assert parent.should_exit.is_set()
    with pytest.raises(SystemExit) as ended:
        parent.run()
    assert ended.value.code == 3
    # nothing to drain
    assert made[1].signals == [signal.SIGTERM, signal.SIGINT]


def test_replacement_that_fails_is_tried_again_after_longer_pauses(
    parent: Workers, made: list[FakeWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    made[0].has_served = True
    pauses = []
    for _ in range(9):
        made[-1].exitcode, before = 3, len(made)
        parent.keep_subprocess_alive()
        began = now
        while len(made) == before:
            now += 0.5
            parent.keep_subprocess_alive()
        pauses.append(now - began)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    made[-1].has_served = True
    parent.keep_subprocess_alive()
    made[-1].exitcode, before = -9, len(made)
    parent.keep_subprocess_alive()
    assert len(made) == before + 1


def test_nothing_is_waited_for_when_no_worker_is_left(parent: Workers, made: list[FakeWorker]) -> None:
    made[0].has_served, made[1].exitcode = True, 3
    parent.keep_subprocess_alive()
    made[0].exitcode = -9
    assert len(made) == 2
    parent.keep_subprocess_alive()
    assert len(made) == 4


@pytest.mark.parametrize(
    ("received", "sent"),
    [
        ([signal.SIGTERM], [signal.SIGTERM]),
        ([signal.SIGINT], [signal.SIGTERM, signal.SIGINT]),
        ([signal.SIGTERM, signal.SIGTERM], [signal.SIGTERM, signal.SIGINT]),
        ([signal.SIGTERM, signal.SIGINT], [signal.SIGTERM, signal.SIGINT]),
        ([signal.SIGINT, signal.SIGINT], [signal.SIGKILL]),
        ([signal.SIGINT, signal.SIGTERM], [signal.SIGTERM, signal.SIGINT]),
    ],
)
def test_signals(
    parent: Workers, made: list[FakeWorker], received: list[signal.Signals], sent: list[signal.Signals]
) -> None:
    parent.signal_queue += received
    parent.handle_signals()
    parent.terminate_all()
    assert [each.signals for each in made] == [sent, sent]


def test_workers_that_do_not_end_are_killed(
    parent: Workers, made: list[FakeWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0

    def pass_time(_: float) -> None:
        nonlocal now
        now += 10

    def hang(self: FakeWorker, number: signal.Signals) -> None:
        self.signals.append(number)
        self.exitcode = -9 if number is signal.SIGKILL else None

    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(time, "sleep", pass_time)
    monkeypatch.setattr(FakeWorker, "send", hang)
    parent.terminate_all()
    parent.join_all()
    assert made[0].signals == [signal.SIGTERM, signal.SIGKILL]
    # after the drain
    assert now >= 1060


def test_hangup_replaces_each_worker_that_can_be_replaced(
    parent: Workers, made: list[FakeWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    parent.handle_hup()
    assert [each.signals for each in made] == [[signal.SIGINT], [signal.SIGINT], [], []]
    monkeypatch.setattr(FakeWorker, "can_start", False)
    parent.handle_hup()
    assert [each.signals for each in made[2:]] == [[], [], []]
    parent.terminate_all()
    assert [each.signals for each in made[2:]] == [[signal.SIGTERM], [signal.SIGTERM], []]


def test_number_of_workers_follows_signals(parent: Workers, made: list[FakeWorker]) -> None:
    parent.handle_ttin()
    parent.keep_subprocess_alive()
    assert len(made) == 3
    for _ in range(3):
        parent.handle_ttou()
    parent.keep_subprocess_alive()
    assert [each.signals for each in made] == [[], [signal.SIGINT], [signal.SIGINT]]


class FakePipe:
    """The parent's end of a pipe to a worker; answers are what the worker has said."""

    def __init__(self) -> None:
        self.answers: list[bool] = []
        self.asked = 0

    def poll(self) -> bool:
        return bool(self.answers)

    def recv(self) -> bool:
        return self.answers.pop(0)

    def send(self, _: bytes) -> None:
        self.asked += 1


def test_worker_that_does_not_answer_counts_as_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    now, pipe = 1000.0, FakePipe()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    config = Config("app.main:create_app", drain=60, log_config=None, timeout_worker_healthcheck=30)
    worker = workers.Worker(config, [])
    monkeypatch.setattr(worker, "parent_conn", pipe)
    monkeypatch.setattr(worker.process, "is_alive", lambda: True)
    now += 89
    assert worker.lives()
    pipe.answers = [False, True]
    assert worker.lives()
    assert (worker.has_served, pipe.asked) == (True, 2)
    now += 29
    assert worker.lives()
    now += 2
    assert not worker.lives()

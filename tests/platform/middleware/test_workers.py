"""The parent of several workers: what it makes of signals and of workers that end. The workers are no processes."""

import signal
import time

import pytest

from app.platform.http.draining import Config
from app.platform.http.workers import Workers
from tests.platform.support.fake_workers import FakeWorker, look, serve


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


def test_machine_that_can_start_no_process_is_tried_again(
    parent: Workers, made: list[FakeWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    serve(*made)
    made[1].exitcode, FakeWorker.refusals = -9, 2
    for seconds, number in ((0, 2), (1, 2), (2, 3)):
        now += seconds
        look(parent)
        assert len(made) == number
    assert not parent.should_exit.is_set()


def test_machine_that_can_start_no_process_at_the_start_is_a_failed_start(made: list[FakeWorker]) -> None:
    parent = Workers(Config("app.main:create_app", drain=60, workers=2, log_config=None), [])
    FakeWorker.refusals = 1
    with pytest.raises(SystemExit) as ended:
        parent.run()
    assert (ended.value.code, made) == (3, [])


def test_mistake_in_the_parent_ends_the_workers(
    parent: Workers, made: list[FakeWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(parent, "keep_subprocess_alive", fail)
    with pytest.raises(ZeroDivisionError):
        parent.run()
    assert [each.signals for each in made] == [[signal.SIGTERM], [signal.SIGTERM]]

"""The parent of several workers: what it makes of signals and of workers that end. The workers are no processes."""

import errno
import signal
import time

import pytest
from structlog.testing import capture_logs

from app.platform.http import workers
from app.platform.http.draining import Config
from app.platform.http.workers import Workers

RETIRE = "retire"


class FakeWorker:
    """A worker that does what a test says."""

    made: list["FakeWorker"]
    refusals = 0
    pid = 7

    def __init__(self, *_: object) -> None:
        self.has_served = self.outdated = self.is_late = False
        self.exitcode: int | None = None
        self.signals: list[int | str] = []

    def start(self) -> None:
        if self.refusals:
            FakeWorker.refusals -= 1
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        self.made.append(self)

    def kill(self) -> None: ...

    def join(self) -> None: ...

    def retire(self) -> None:
        self.signals.append(RETIRE)

    def kill_when_late(self) -> bool:
        if self.is_late:
            self.exitcode = -9
        return self.is_late

    def lives(self) -> bool:
        return self.exitcode is None

    def send(self, number: signal.Signals) -> None:
        self.signals.append(number)
        self.exitcode = 0


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


def serve(*these: FakeWorker) -> None:
    for each in these:
        each.has_served = True


def look(parent: Workers, *numbers: signal.Signals) -> None:
    """Do what the parent does twice a second, after these signals."""
    parent.signal_queue += numbers
    parent.handle_signals()
    parent.keep_subprocess_alive()


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


def test_hangup_replaces_each_worker_once_its_replacement_serves(parent: Workers, made: list[FakeWorker]) -> None:
    serve(*made)
    for old in (made[1], made[0]):
        look(parent, *[signal.SIGHUP] * (old is made[1]))
        look(parent)
        new = made[-1]
        assert (new.has_served, old.signals) == (False, [])
        serve(new)
        look(parent)
        assert old.signals == [RETIRE]
        # the next one waits until this one has ended: the database has connections for one more process
        assert made[-1] is new
        old.exitcode = 0
    for _ in range(3):
        look(parent)
    assert len(made) == 4
    assert [each.signals for each in made[2:]] == [[], []]


def test_others_that_end_are_replaced_while_workers_are_replaced(parent: Workers, made: list[FakeWorker]) -> None:
    serve(*made)
    look(parent, signal.SIGHUP)
    made[0].exitcode = -9
    look(parent)
    assert len(made) == 4
    serve(*made[2:])
    look(parent)
    assert [each.signals for each in made] == [[], [RETIRE], [], []]


def until_nothing_changes(parent: Workers, made: list[FakeWorker]) -> list[str]:
    """Let all workers serve that start, and end that retire; return the events."""
    with capture_logs() as logs:
        for _ in range(20):
            serve(*made)
            look(parent)
            for each in made:
                each.exitcode = 0 if each.signals else None
    return [each["event"] for each in logs]


def test_hangups_that_come_faster_than_workers_start_ask_for_one_more_replacement(
    parent: Workers, made: list[FakeWorker]
) -> None:
    serve(*made)
    with capture_logs() as logs:
        # before the first replacement begins, they are one
        look(parent, signal.SIGHUP, signal.SIGHUP)
        for _ in range(5):
            look(parent, signal.SIGHUP)
    assert [each["event"] for each in logs] == ["replacing_workers", "replacing_again_afterwards"]
    # the replacement goes on starting
    assert (len(made), made[2].signals, made[2].outdated) == (3, [], False)
    assert until_nothing_changes(parent, made) == ["workers_replaced", "replacing_workers", "workers_replaced"]
    assert [each.signals for each in made] == [[RETIRE]] * 4 + [[], []]


def test_hangups_without_an_end_replace_workers_without_an_end(parent: Workers, made: list[FakeWorker]) -> None:
    serve(*made)
    served = []
    for _ in range(10):
        # a worker needs five looks to start
        for _ in range(5):
            starting = [each for each in made if not each.has_served]
            look(parent, signal.SIGHUP)
            for each in made:
                each.exitcode = 0 if each.signals else None
        ready = [each for each in starting if not each.signals]
        serve(*ready)
        served += ready
    assert len(served) == 10
    # all but the newest, two of which serve
    assert sum(each.signals == [RETIRE] for each in served) == 7


def test_hangup_during_a_replacement_that_fails_begins_another(
    parent: Workers, made: list[FakeWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    serve(*made)
    # two that start: one in place of a worker that has died
    look(parent, signal.SIGHUP)
    made[0].exitcode = -9
    look(parent)
    with capture_logs() as logs:
        look(parent, signal.SIGHUP)
        made[2].exitcode = made[3].exitcode = 3
        look(parent)
        assert len(made) == 4
        now += 2
        look(parent)
    assert [each["event"] for each in logs] == [
        *("replacing_again_afterwards", "workers_not_replaced", "worker_not_started", "worker_not_started"),
        "replacing_workers",
    ]
    assert until_nothing_changes(parent, made) == ["workers_replaced"]
    assert [each.signals for each in made[1:]] == [[RETIRE], [], [], [], []]


def test_replacement_that_cannot_start_leaves_the_others(parent: Workers, made: list[FakeWorker]) -> None:
    serve(*made)
    look(parent, signal.SIGHUP)
    for _ in range(3):
        made[-1].exitcode = 3
        look(parent)
    assert len(made) == 3
    # the next signal does not wait for a pause
    look(parent, signal.SIGHUP)
    assert len(made) == 4
    assert [each.signals for each in made] == [[]] * 4


def test_stop_ends_all_at_once_while_workers_are_replaced(parent: Workers, made: list[FakeWorker]) -> None:
    serve(*made)
    look(parent, signal.SIGHUP)
    serve(made[2])
    look(parent)
    look(parent, signal.SIGTERM, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGTTIN)
    assert parent.should_exit.is_set()
    parent.terminate_all()
    parent.signal_queue += [signal.SIGHUP, signal.SIGTTIN]
    parent.join_all()
    assert [each.signals for each in made] == [[signal.SIGTERM], [RETIRE, signal.SIGTERM], [signal.SIGTERM]]


def test_outdated_worker_that_does_not_end_is_killed(parent: Workers, made: list[FakeWorker]) -> None:
    serve(*made)
    look(parent, signal.SIGHUP)
    serve(made[2])
    look(parent)
    made[1].is_late = True
    look(parent)
    assert made[1].exitcode == -9
    assert len(made) == 4


def test_number_of_workers_follows_signals(parent: Workers, made: list[FakeWorker]) -> None:
    look(parent, signal.SIGTTIN)
    assert len(made) == 3
    serve(*made)
    look(parent, signal.SIGTTOU, signal.SIGTTOU, signal.SIGTTOU)
    assert [each.signals for each in made] == [[], [RETIRE], [RETIRE]]
    look(parent, signal.SIGTTIN, signal.SIGTTOU, signal.SIGTTIN)
    assert len(made) == 4


def test_number_of_workers_has_a_limit(parent: Workers) -> None:
    for _ in range(300):
        parent.handle_ttin()
    assert parent.processes_num == 256


@pytest.mark.parametrize("serving", [0, 1])
def test_worker_that_serves_is_not_stopped_for_one_that_does_not(
    parent: Workers, made: list[FakeWorker], serving: int
) -> None:
    serve(made[serving])
    look(parent, signal.SIGTTOU)
    assert (made[serving].signals, made[1 - serving].signals) == ([], [RETIRE])


def test_last_worker_that_serves_stays_until_its_replacement_does(parent: Workers, made: list[FakeWorker]) -> None:
    serve(made[0])
    look(parent, signal.SIGHUP, signal.SIGTTOU)
    # it does not serve
    assert [each.signals for each in made] == [[], [RETIRE]]
    made[1].exitcode = 0
    look(parent, signal.SIGTTIN)
    look(parent, signal.SIGTTOU)
    assert made[0].signals == []
    serve(*made)
    look(parent)
    assert made[0].signals == [RETIRE]
    assert [each.signals for each in made[2:]].count([]) == 1


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

"""The parent of several workers replaces them, and changes their number, when signals ask for it."""

import signal
import time

import pytest
from structlog.testing import capture_logs

from app.platform.http.workers import Workers
from tests.platform.support.fake_workers import RETIRE, FakeWorker, look, serve


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

"""The recommendation of a load test follows from what was measured, and so does its verdict."""

from pathlib import Path

import pytest

from dev.errors import ServiceError
from dev.load.advice import advice
from dev.load.plan import read
from dev.load.results import Cpu, Pool, Run
from dev.load.verdict import findings
from tests.platform.dev.measured import FULL, ROOMY, THRESHOLDS, busy, plan, run, step


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        (run(step(4, 300), step(64, 310, FULL, p50=200.0)), "The pool was the limit: set DB_POOL_SIZE=15 for each"),
        (run(step(64, 310, FULL, p50=200.0), processes=2), "set DB_POOL_SIZE=8 for each process"),
        (run(step(64, 310, FULL, busy(busiest=0.97, service=0.97))), "Start more processes: HTTP_WORKERS=2"),
        (run(step(64, 310, FULL, busy(machine=7.9, database=6.5))), "But more connections would not help"),
        (run(step(64, 310, ROOMY, busy(busiest=0.97, service=0.97))), "leave the pool as it is"),
        (run(step(64, 310, ROOMY, busy(generator=0.95))), "The load generator was the limit"),
        (run(step(64, 310, ROOMY, busy(machine=7.9))), "repeat the test when they do not run"),
        (run(step(16, 200), step(64, 310)), "Send more, such as LOAD_CLIENTS=64,256"),
        (run(step(16, 300), step(64, 310)), "More than 16 clients brought hardly more requests a second, while pool"),
        # all answers came after the end of their step
        (run(step(16, 0), step(64, 0)), "More than 16 clients brought hardly more"),
        # how many there may be in a test
        (run(step(16, 200), step(200, 310)), "Send more, such as LOAD_CLIENTS=200,500."),
        (run(step(16, 200), step(500, 310)), "500 is the most that one test sends"),
        (run(step(500, 310)), "500 is the most that one test sends"),
        # a service that was running already: nothing is known about its processes and its database
        (run(step(64, 310, FULL, Cpu(cores=8, machine=2, generator=0.4), p50=200.0), processes=None), "The pool was"),
        (run(step(64, 310, FULL.model_copy(update={"limit": 12}), p50=200.0)), "allows this role only 12 connections"),
        # no pool here: PgBouncer has it
        (run(step(16, 300), step(64, 310, ROOMY.model_copy(update={"size": 0, "overflow": 0}))), "look for locks"),
        (run(step(16, 300), step(64, 310, None, None)), "look for locks"),
        # nobody has measured more clients, or fewer
        (run(step(1, 310)), "Only one step was measured, so nothing is known about more clients. Send more, such as"),
        (run(step(64, 310, None, None)), "LOAD_CLIENTS=64,256."),
        (run(step(1, 0).model_copy(update={"timings": None})), "No recommendation"),
        (run(), "No recommendation"),
        (run(step(4, 90, errors={"429 slow down": 7})), "raise HTTP_RATE_LIMIT"),
        (run(step(4, 90, unanswered={"timed out": 2})), "Find out first why 2 requests got no response (2 timed out)"),
    ],
)
def test_what_was_measured_decides(measured: Run, said: str) -> None:
    assert said in "\n".join(advice(measured))


def test_formulas_are_applied_to_the_load_that_the_service_can_carry() -> None:
    """64 clients bring hardly more than 16, but each holds its connection for longer."""
    slow = FULL.model_copy(update={"held_ms": 60.0})
    said = "\n".join(advice(run(step(1, 100), step(16, 295), step(64, 310, slow, busy(machine=7.9, database=6.5)))))
    assert "--rps 300 --hold-ms 4 --queries 2" in said
    assert "300 requests/s x 2 x 4 ms x 1.5 to 2 = 4 to 5" in said


def test_no_size_follows_from_a_machine_that_others_have_used() -> None:
    measured = run(step(16, 295), step(64, 310, FULL, busy(machine=7.9), p50=200.0))
    assert "DB_POOL_SIZE" not in "\n".join(advice(measured))


def held(milliseconds: float) -> Pool:
    return FULL.model_copy(update={"held_ms": milliseconds, "waited_ms": 30.0 * milliseconds})


def test_a_larger_pool_does_not_help_connections_that_wait_for_a_lock() -> None:
    """Of ten connections one works, and nine wait for its row; with few clients fewer wait."""
    for before in (step(1, 30, held(4.0)), step(4, 98, held(16.0))):
        said = "\n".join(advice(run(before, step(64, 100, held(40.0), p50=900.0))))
        assert f"was held longer (40.0 ms, with {before.clients} client" in said
        assert "Look for locks" in said
        assert "DB_POOL_SIZE" not in said


def test_a_pool_that_is_too_small_is_told_from_locks_by_the_work_that_was_done() -> None:
    said = "\n".join(advice(run(step(1, 30, held(4.0)), step(64, 300, held(7.0), p50=200.0))))
    assert "set DB_POOL_SIZE=" in said


def test_a_test_that_ended_early_has_no_recommendation() -> None:
    early = run(step(64, 310, FULL, p50=200.0)).model_copy(update={"problem": "the service has ended"})
    assert "DB_POOL_SIZE" not in "\n".join(advice(early))


def test_each_broken_threshold_says_what_was_measured_and_what_is_allowed() -> None:
    worse = step(64, 310, errors={"503": 3}, unanswered={"refused": 2}).model_copy(
        update={"lost": 1, "unchecked": 4, "began": 63}
    )
    found = findings(plan(errors=3, p95_ms=39.5, requests_per_second=400), run(step(1, 100, p50=10.0), worse))
    assert [str(each) for each in found if not each.kept] == [
        "unanswered requests at 64 clients: 2, allowed 0",
        "lost records at 64 clients: 1, allowed 0",
        "records that could not be looked for at 64 clients: 4, allowed 0",
        "clients that could not begin at 64 clients: 1, allowed 0",
        "p95 at 64 clients: 40 ms, allowed 39.5 ms",
        "GET /things: p99 at 64 clients: 60 ms, allowed 50 ms",
        "requests/s at 64 clients: 310, at least 400",
    ]


def test_a_threshold_for_a_request_that_nobody_sent_is_broken() -> None:
    silent = step(1, 100).model_copy(update={"requests": []})
    assert "GET /things: p99 at 1 client: nothing was measured" in "\n".join(map(str, findings(plan(), run(silent))))


@pytest.mark.parametrize(
    ("changes", "variables", "complaint"),
    [
        ({}, {"LOAD_CLIENTS": "4,x"}, r"ramp\.clients\.1"),
        ({}, {"LOAD_CLIENTS": "8,4"}, "more clients than the one before"),
        ({}, {"LOAD_SECONDS": "900"}, r"ramp\.seconds"),
        ({}, {"LOAD_CLIENTS": "1,2,3,4,5,6", "LOAD_SECONDS": "120"}, "all steps together"),
        ({"p95_ms": "p95ms"}, {}, r"thresholds\.p95ms: Extra inputs"),
        ({"[ramp]": "[ramp"}, {}, "line 3"),
    ],
)
def test_a_wrong_plan_is_refused(
    tmp_path: Path, changes: dict[str, str], variables: dict[str, str], complaint: str
) -> None:
    text = THRESHOLDS.read_text()
    for old, new in changes.items():
        text = text.replace(old, new)
    file = tmp_path / "thresholds.toml"
    file.write_text(text)
    with pytest.raises(ServiceError, match=complaint):
        read(file, variables)


def test_a_missing_plan_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"thresholds\.toml is missing"):
        read(tmp_path / "thresholds.toml", {})

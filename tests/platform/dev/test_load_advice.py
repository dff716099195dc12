"""The recommendation of a load test follows from what was measured, and so does its verdict."""

import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dev.errors import ServiceError
from dev.load import metrics, report
from dev.load.advice import advice
from dev.load.plan import Plan, read
from dev.load.recording import MOST_TEXTS, Recorder, timings
from dev.load.results import Cpu, Pool, Requests, Run, Step, Timings
from dev.load.verdict import findings

THRESHOLDS = Path(__file__).parents[3] / "tests/make_load/thresholds.toml"
IDLE = Cpu(cores=8, machine=2.0, generator=0.4, service=0.5, busiest=0.5, database=0.8)
ROOMY = Pool(
    size=5,
    overflow=5,
    in_use=3,
    waiting=0,
    waited_ms=0.0,
    waited_p99_ms=1.0,
    held_ms=4.0,
    held=6000,
    timeouts=0,
    requests=3000,
    limit=97,
    looks=40,
    seconds=10.0,
)
FULL = ROOMY.model_copy(update={"in_use": 10, "waiting": 54, "waited_ms": 30.0})


def step(
    clients: int,
    rps: float,
    pool: Pool | None = ROOMY,
    cpu: Cpu | None = IDLE,
    p50: float = 20.0,
    **counts: dict[str, int],
) -> Step:
    """Make a step of 10 seconds."""
    times = Timings(p50=p50, p95=2 * p50, p99=3 * p50, longest=4 * p50)
    one = Requests(
        name="GET /things",
        phase="round",
        good=round(rps * 10),
        errors=counts.get("errors", {}),
        unanswered=counts.get("unanswered", {}),
        timings=times,
    )
    return Step(
        clients=clients,
        began=clients,
        seconds=10,
        requests=[one],
        timings=times,
        confirmed=5,
        lost=0,
        unchecked=0,
        pool=pool,
        cpu=cpu,
    )


def run(*steps: Step, processes: int | None = 1) -> Run:
    return Run(
        started="now", target="http://127.0.0.1:1", settings={"a <b>": "c & d"}, processes=processes, steps=list(steps)
    )


def busy(**changes: float) -> Cpu:
    return IDLE.model_copy(update=changes)


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


def plan(**thresholds: float) -> Plan:
    given = tomllib.loads(THRESHOLDS.read_text())
    return Plan.model_validate(given | {"thresholds": thresholds, "requests": {"GET /things": {"p99_ms": 50}}})


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


def test_percentiles_are_times_that_occurred() -> None:
    assert timings([float(each) for each in range(200, 0, -1)]) == Timings(p50=100, p95=190, p99=198, longest=200)
    assert timings([7.0]) == Timings(p50=7, p95=7, p99=7, longest=7)
    assert timings([]) is None


def test_late_answers_have_a_duration_but_are_no_part_of_the_rate() -> None:
    recorder = Recorder()
    for late in (False, False, True):
        recorder.good("round", "GET /things", 10.0 + 90.0 * late, late=late)
    base = step(200, 0)
    measured = base.model_copy(update={"requests": recorder.requests(), "timings": recorder.timings(), "seconds": 2.0})
    assert measured.per_second == 1.0
    assert measured.timings and measured.timings.longest == 100.0


def test_texts_of_errors_are_few_and_no_error_is_lost() -> None:
    recorder = Recorder()
    for number in range(100):
        recorder.error("round", "GET /things", f"500 {number}")
    (only,) = recorder.requests()
    assert len(only.errors) == MOST_TEXTS + 1
    assert sum(only.errors.values()) == 100


METRICS = """
# TYPE db_pool_size gauge
db_pool_size 5.0
# TYPE db_pool_checked_out gauge
db_pool_checked_out {out}
# TYPE db_pool_checkout_seconds histogram
db_pool_checkout_seconds_bucket{{le="0.01"}} {fast}
db_pool_checkout_seconds_bucket{{le="0.5"}} {all}
db_pool_checkout_seconds_bucket{{le="+Inf"}} {all}
db_pool_checkout_seconds_count {all}
db_pool_checkout_seconds_sum {waited}
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_count{{method="GET",route="/metrics",status="200"}} {all}
http_request_duration_seconds_count{{method="GET",route="/things",status="200"}} {all}
http_request_duration_seconds_count{{method="GET",route="/things",status="503"}} 1.0
"""


def test_pool_of_a_step_is_what_has_changed_meanwhile() -> None:
    before, between, after = (
        metrics.parse(METRICS.format(out=out, fast=fast, all=count, waited=waited))
        for out, fast, count, waited in ((0, 10, 10, 0.0), (4, 15, 60, 1.0), (1, 30, 110, 5.0))
    )
    pool = metrics.pool(before, [between], after)
    assert pool
    assert (pool.size, pool.in_use, pool.requests, pool.waited_ms, pool.waited_p99_ms) == (5, 4, 100, 50.0, 500.0)
    assert metrics.pool(before, [], metrics.parse("")) is None


def test_report_is_one_page_that_loads_nothing() -> None:
    measured = run(step(4, 300), step(64, 310, FULL, errors={"500 <script>": 1}))
    page = report.as_html(measured, findings(plan(), measured), advice(measured))
    xml = page.replace("<!doctype html>", "").replace('<meta charset="utf-8">', "")
    tree = ElementTree.fromstring(xml)  # noqa: S314 (the page is our own)
    assert [len(plot.findall("polyline")) for plot in tree.iter("svg")] == [3, 1, 3]
    texts = list(tree.itertext())
    assert {"1 500 <script>", "a <b>", "c & d"} <= set(texts)
    assert not {"script", "link", "img"} & {element.tag for element in tree.iter()}
    assert "http" not in page.replace("http://127.0.0.1:1", "")

"""What a load test records of answers and of the pool, and its report."""

from xml.etree import ElementTree

from dev.load import metrics, report
from dev.load.advice import advice
from dev.load.recording import MOST_TEXTS, Recorder, timings
from dev.load.results import Timings
from dev.load.verdict import findings
from tests.platform.dev.measured import FULL, plan, run, step


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
    assert measured.timings
    assert measured.timings.longest == 100.0


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

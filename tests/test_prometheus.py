"""A real Prometheus with the documented configuration scrapes a running service with jobs: each panel draws something.

The tests are steps with one service, which is healthy at first, fails then, and is gone at the end.
"""

import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from pages.dashboards.panels import asked
from tests import client
from tests.pictures import expected, shown
from tests.project import START_SECONDS, Service, wait_for
from tests.prometheus import ITSELF, Prometheus, replaced, scraping
from tests.receipts import receiving
from tests.watched import FOLDER, NOTHING_TO_DRAW, addresses_of, dashboards, documented, project_of, use

# neither the default name of a service nor that of the page, and with a character that Grafana escapes
JOB = "tea-house.eu"
# how long the service is used, and how many requests of a failing route follow
SECONDS = 6.0
ERRORS = 20
# a machine that has other work to do may be slow
MAY_BE_SLOW = {"SlowRequests", "DatabaseCheckoutWait"}


@dataclass(frozen=True)
class Watched:
    """A service in use, and the Prometheus that has scraped it since a moment (Unix time)."""

    root: Path
    service: Service
    prometheus: Prometheus
    since: float


@pytest.fixture(scope="module")
def watched(template: Path, place: Path) -> Iterator[Watched]:
    project = project_of(template, place / "prometheus" / "tea")
    folder = Path(shutil.copytree(project.root / FOLDER, place / "prometheus" / "server"))
    with (
        receiving() as (receiver, receipts),
        project.serving(PAYMENTS_WEBHOOK_URLS=receiver, CACHE_ENABLED="true") as service,
    ):
        since = time.time()
        with scraping(folder, documented(project.root, JOB, addresses_of(service))) as prometheus:
            assert wait_for(lambda: prometheus.up() == {JOB: 2, ITSELF: 1}, START_SECONDS), service.log()
            paid = use(service, SECONDS)
            assert wait_for(lambda: len(receipts) == paid, START_SECONDS), service.log()
            yield Watched(project.root, service, prometheus, since)


def queries(root: Path) -> list[tuple[str, set[str]]]:
    """Return the queries of all panels, each with the labels that its legend names."""
    panels = [panel for dashboard in dashboards(root).values() for panel in dashboard["panels"]]
    targets = [target for panel in panels for target in panel.get("targets", ())]
    return [(each["expr"], set(re.findall(r"{{(\w+)}}", each["legendFormat"]))) for each in targets]


def pending(watched: Watched, label: str, **labels: str) -> set[str]:
    """Return the values of a label of the alerts that have these labels, and wait for their `for`."""
    alerts = [each["labels"] for each in watched.prometheus.alerts() if each["state"] == "pending"]
    return {each[label] for each in alerts if labels.items() <= each.items()}


def test_all_rules_are_evaluated(watched: Watched) -> None:
    files = [yaml.safe_load(path.read_text()) for path in (watched.root / FOLDER).glob("*.yaml")]
    written = sorted(rule["alert"] for file in files for group in file["groups"] for rule in group["rules"])
    evaluated = watched.prometheus.rules()
    assert sorted(rule["name"] for rule in evaluated) == written
    assert [rule for rule in evaluated if rule["health"] != "ok"] == []


def test_variables_offer_the_service(watched: Watched) -> None:
    variables = [each for dashboard in dashboards(watched.root).values() for each in dashboard["templating"]["list"]]
    definitions = [each["definition"] for each in variables if each["name"] == "job"]
    assert {definition: watched.prometheus.values_of(definition) for definition in definitions} == {
        "label_values(db_pool_size, job)": [JOB],
        "label_values(outbox_jobs, job)": [JOB],
    }


def test_panels_draw_the_service_and_nothing_else(watched: Watched) -> None:
    """Whether it is chosen alone or with another job, and without a line if only that one is."""
    asked = queries(watched.root)
    assert len(asked) > 40
    unknown, silent = [], []
    for query, legend in asked:
        by_jobs = [
            watched.prometheus.lines(replaced(query, jobs), watched.since, time.time())
            for jobs in ([JOB], [JOB, ITSELF], [ITSELF])
        ]
        assert bool(by_jobs[0]) == bool(by_jobs[1]), query
        assert by_jobs[2] == [], query
        silent += [] if by_jobs[0] else [query]
        unknown += [query for line in by_jobs[0] if not legend <= line.labels.keys()]
    assert unknown == []
    listed = [next((part for part in NOTHING_TO_DRAW if part in query), query) for query in silent]
    assert sorted(listed) == sorted(NOTHING_TO_DRAW)


def test_pictures_show_what_the_panels_draw(watched: Watched) -> None:
    from pages.dashboards.drawing import draw  # noqa: PLC0415 - every process of a test run would need a second for it

    now = time.time()
    for name, dashboard in dashboards(watched.root).items():
        board = asked(dashboard, watched.prometheus, JOB, watched.since, now)
        picture = draw(board, "two < three")
        assert shown(picture) == expected(dashboard), name
        assert "two &lt; three" in picture
    assert draw(board, "two < three") == picture, "the same numbers make the same picture"


def test_no_alert_in_a_healthy_service(watched: Watched) -> None:
    """Not even one that waits for its `for`, once a scrape that a busy machine made too late has been made up for."""

    def met() -> set[str]:
        return {each["labels"]["alertname"] for each in watched.prometheus.alerts()}

    assert wait_for(lambda: met() <= MAY_BE_SLOW, START_SECONDS), met()
    assert [each for each in watched.prometheus.alerts() if each["state"] != "pending"] == []


def test_errors_of_the_service_become_an_alert(watched: Watched) -> None:
    for _ in range(ERRORS):
        assert client.call("GET", f"{watched.service.url}/api/v1/trouble/broken").status == 500
    known = {"alertname": "ServerErrors", "job": JOB}
    assert wait_for(lambda: pending(watched, "severity", **known) == {"warning", "critical"}, START_SECONDS)


def test_a_service_that_is_gone_becomes_an_alert(watched: Watched) -> None:
    assert watched.service.stop() == 0, watched.service.log()
    gone = set(addresses_of(watched.service))
    known = {"job": JOB, "severity": "critical"}
    assert wait_for(lambda: pending(watched, "instance", alertname="InstanceDown", **known) == gone, START_SECONDS)
    assert wait_for(lambda: pending(watched, "job", alertname="NoWorker", **known) == {JOB}, START_SECONDS)

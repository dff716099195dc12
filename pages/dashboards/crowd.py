"""Runs a service with jobs that a crowd uses, and a Prometheus that scrapes it, for pictures of its dashboards."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pages.dashboards.drawing import draw
from pages.dashboards.panels import asked
from tests.project import START_SECONDS, Service, wait_for
from tests.prometheus import ITSELF, scraping
from tests.receipts import receiving
from tests.shell import CommandError
from tests.watched import FOLDER, addresses_of, dashboards, documented, project_of, use

CAPTION = "Drawn from the queries of this dashboard on a real Prometheus by make dashboards, not by Grafana."
# the names in docs/metrics.md
JOB = "shop"
INSTANCES = ("api-1:8000", "worker-1:8001")

# People come one after the other, and leave in the opposite order; together they need more connections than there are.
PEOPLE = 8
SECONDS_APART = 3.5
SECONDS_TOGETHER = 25.0
# before the first one comes, and after all have left
SECONDS_ALONE = 6.0
SETTINGS: Any = {
    "CACHE_ENABLED": "true",
    # few, so that few people and little CPU time are enough to use them all
    "DB_POOL_SIZE": "3",
    "DB_MAX_OVERFLOW": "2",
    # all people have one address
    "HTTP_RATE_LIMIT": "100000/minute",
    "HTTP_LOGIN_RATE_LIMIT": "1000/minute",
}


def pictures(template: Path, place: Path) -> dict[str, str]:
    """Return the picture of each dashboard of a service that is rendered into a directory, by the name of its file.

    Raises:
        CommandError: a step failed.
        PanelError: a dashboard has something that pictures do not show.
        ServiceError: there is no Prometheus, and Debian's package cannot be fetched.
    """
    project = project_of(template, place / "project" / "shop")
    folder = Path(shutil.copytree(project.root / FOLDER, place / "prometheus"))
    with (
        receiving() as (receiver, _),
        project.serving(**SETTINGS, PAYMENTS_WEBHOOK_URLS=receiver) as service,
    ):
        configuration = documented(project.root, JOB, addresses_of(service))
        (scraped,) = configuration["scrape_configs"]
        # ports of this moment tell readers nothing
        scraped["static_configs"] = [
            {"targets": [address], "labels": {"instance": instance}}
            for instance, address in zip(INSTANCES, addresses_of(service), strict=True)
        ]
        with scraping(folder, configuration) as prometheus:
            if not wait_for(lambda: prometheus.up() == {JOB: 2, ITSELF: 1}, START_SECONDS):
                raise CommandError(f"Prometheus does not reach the service\n{service.log()}")
            since = time.time()
            use_together(service)
            until = time.time()
            return {
                name: draw(asked(dashboard, prometheus, JOB, since, until), CAPTION)
                for name, dashboard in dashboards(project.root).items()
            }


def use_together(service: Service) -> None:
    """Let people come and go.

    Raises:
        CommandError: the service answered one of them with another status than expected.
    """

    def person(number: int) -> None:
        time.sleep(number * SECONDS_APART)
        seconds = 2 * (PEOPLE - 1 - number) * SECONDS_APART + SECONDS_TOGETHER
        use(service, seconds, f"person-{number}@example.com")

    time.sleep(SECONDS_ALONE)
    with ThreadPoolExecutor(PEOPLE) as pool:
        for each in [pool.submit(person, number) for number in range(PEOPLE)]:
            each.result()
    time.sleep(SECONDS_ALONE)

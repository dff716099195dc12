"""Runs a real Prometheus, and asks it as Grafana does."""

import json
import math
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests import client, promtool
from tests.journeys import answers
from tests.project import free_port, wait_for
from tests.shell import CommandError, environment

START_SECONDS = 60.0
STOP_SECONDS = 30.0
# the job of its own metrics
ITSELF = "prometheus"
# of Grafana: how many scrapes a rate looks at
SCRAPES_OF_A_RATE = 4


class PrometheusError(CommandError):
    """Prometheus refused a question."""


@dataclass(frozen=True)
class Line:
    """What a panel draws of a series: its labels, and the values at Unix times."""

    labels: dict[str, str]
    points: list[tuple[float, float]]


@dataclass(frozen=True)
class Prometheus:
    """A running server that scrapes each second."""

    url: str

    def ask(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer of its API.

        Raises:
            PrometheusError: it refused, or warns of something.
        """
        answer = client.call("GET", f"{self.url}/api/v1/{path}?{urlencode(parameters)}")
        told = answer.json()
        if told["status"] != "success" or told.get("warnings"):
            raise PrometheusError(f"{path} {parameters}: {answer.text}")
        return told["data"]

    def lines(self, query: str, since: float, until: float) -> list[Line]:
        """Return the lines that a panel draws from `since` until `until` (Unix times), with a point for each second.

        A line is a series with a number in it: what is not a number is not drawn.

        Raises:
            PrometheusError: the query is wrong.
        """
        found = self.ask("query_range", query=query, start=str(since), end=str(until), step="1")["result"]
        series = [(each["metric"], [(time_of, float(value)) for time_of, value in each["values"]]) for each in found]
        numbers = [(labels, [point for point in points if math.isfinite(point[1])]) for labels, points in series]
        return [Line(labels, points) for labels, points in numbers if points]

    def values_of(self, definition: str) -> list[str]:
        """Return what Grafana offers for a variable `label_values(metric, label)`, sorted.

        Raises:
            PrometheusError: the variable is not of this kind.
        """
        found = re.fullmatch(r"label_values\((\w+), (\w+)\)", definition)
        if not found:
            raise PrometheusError(f"{definition} asks in a way that is not known here")
        metric, label = found.groups()
        return sorted(self.ask(f"label/{label}/values", **{"match[]": metric}))

    def up(self) -> dict[str, int]:
        """Return how many targets of each job answered their last scrape."""
        found = self.ask("query", query="sum by (job) (up)")["result"]
        return {each["metric"]["job"]: int(each["value"][1]) for each in found}

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts whose condition is met, with `labels` and `state`: pending, or firing."""
        return list(self.ask("alerts")["alerts"])

    def rules(self) -> list[dict[str, Any]]:
        """Return the rules of all files, with the health of their last evaluation."""
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]


def replaced(query: str, jobs: list[str]) -> str:
    """Return a query as Grafana sends it, with jobs chosen for a variable that takes several.

    It escapes names for a regular expression in a text, and puts several of them into parentheses.
    """
    escaped = [re.sub(r"[$^*+?.()|{}\[\]]", lambda found: rf"\\{found[0]}", job) for job in jobs]
    chosen = escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
    return query.replace("$__rate_interval", f"{SCRAPES_OF_A_RATE}s").replace("$job", chosen)


@contextmanager
def scraping(folder: Path, configuration: Mapping[str, Any]) -> Iterator[Prometheus]:
    """Run Prometheus with a configuration that is written into this folder, which also gets its data.

    It scrapes itself as well, as it does with the configuration of its packages.

    Raises:
        CommandError: it does not get ready; the message has its log.
    """
    port = free_port()
    itself = {"job_name": ITSELF, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    scraped = [*configuration["scrape_configs"], itself]
    (folder / "prometheus.yml").write_text(json.dumps({**configuration, "scrape_configs": scraped}))
    url = f"http://127.0.0.1:{port}"
    command = [promtool.find("prometheus"), "--config.file=prometheus.yml", f"--web.listen-address=127.0.0.1:{port}"]
    # bounds, though nothing here runs for long
    command += ["--storage.tsdb.path=data", "--storage.tsdb.retention.time=1h", "--storage.tsdb.retention.size=64MB"]
    log = folder / "prometheus.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, cwd=folder, env=environment(), stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
        )
    try:
        ready = wait_for(lambda: process.poll() is not None or answers(f"{url}/-/ready"), START_SECONDS)
        if not ready or process.poll() is not None:
            raise CommandError(f"Prometheus did not get ready\n{log.read_text()}")
        yield Prometheus(url)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

"""The alerts, the dashboards, and the pages about metrics and alerts name what exists, and all of it."""

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

import app
from app.platform.errors import AppError

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy/observability"
JOBS = ROOT / "docs/jobs.md"
ROW = re.compile(r"^\| `([a-z_]+)` \| (gauge|counter|histogram) \| ([^|]*?) *\| [^|]+ \|$", re.MULTILINE)
SECTION = re.compile(r"^##+ ([A-Z][a-z]+(?:[A-Z][a-z]+)+)$", re.MULTILINE)
# what Prometheus adds to all metrics, and its name of a label `job`
ADDED = {"job", "instance", "le", "exported_job"}
# words of PostgreSQL and SQLAlchemy, fields of the log, and a state of a job
WORDS = {"backend_pid", "handed_over", "max_connections", "pg_cancel_backend", "pg_terminate_backend", "waits_for"}
WORDS |= {"with_for_update"}


@cache
def metrics() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return type and labels of the platform's metrics, by the names that Prometheus shows."""
    found = {}
    for module in pkgutil.walk_packages(app.__path__, "app."):
        # imports all of them
        values = vars(importlib.import_module(module.name)).values()
        for metric in [each for value in values for each in (value if isinstance(value, tuple) else (value,))]:
            if isinstance(metric, MetricWrapperBase) and module.name.startswith("app.platform."):
                (family,) = metric.describe()
                name = f"{family.name}_total" if family.type == "counter" else family.name
                found[name] = (family.type, metric._labelnames)  # noqa: SLF001 (nothing else tells them)
    return found


@cache
def series() -> set[str]:
    """Return the names of all series, also those of the service's own metrics."""
    metrics()
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    return {"up"} | {f"{each.name}{end}" for each in REGISTRY.collect() for end in suffixes.get(each.type, ())}


def of_jobs(name: str) -> bool:
    return name.startswith(("job_", "outbox_", "queue_", "dead_"))


@pytest.mark.parametrize("page", ["metrics.md", "jobs.md"])
def test_page_explains_every_metric(page: str) -> None:
    path = ROOT / "docs" / page
    known = {name: each for name, each in metrics().items() if of_jobs(name) == (page == "jobs.md")}
    assert bool(known) == path.exists()
    rows = ROW.findall(path.read_text()) if known else []
    assert {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows} == known
    assert len(rows) == len(known)


def queries() -> Iterator[str]:
    """Yield what the alerts, the dashboards and the runbook ask Prometheus."""
    for path in FOLDER.glob("*.json"):
        for panel in json.loads(path.read_text())["panels"]:
            yield from (target["expr"] for target in panel.get("targets", ()))
    for path in FOLDER.glob("*.yaml"):
        # an expression ends where the next key of its rule begins
        yield from re.findall(r"^ +expr: (?:>-)?(.+?)\n +(?:for|labels):", path.read_text(), re.MULTILINE | re.DOTALL)
    for path in (FOLDER / "tests").glob("*.yaml"):
        yield from re.findall(r"\{series: '(.+?)', ", path.read_text())
    yield from re.findall(r"`([^`\n]+\[5m\][^`\n]*)`", (ROOT / "docs/runbook.md").read_text())


def parts(query: str) -> tuple[set[str], set[str]]:
    """Return the names of the series of a query, and of its labels."""
    query = re.sub(r'"[^"]*"', '""', query)
    grouped = r"\b(?:by|on)\s*\(([^)]*)\)"
    labels = re.findall(r"(\w+)\s*[=!]", " ".join(re.findall(r"\{[^}]*\}", query)))
    labels += re.findall(r"\w+", " ".join(re.findall(grouped, query)))
    rest = re.sub(rf"\{{[^}}]*\}}|\[[^]]*\]|{grouped}", " ", query)
    names = set(re.findall(r"\b[a-z_][a-z0-9_]*\b(?!\s*\()", rest)) - {"and", "or", "unless", "by", "on"}
    return names, set(labels)


def test_queries_name_series_and_labels_that_exist() -> None:
    asked = [parts(query) for query in queries()]
    assert len(asked) > 100
    assert not {name for names, _ in asked for name in names} - series()
    for names, labels in asked:
        known = {
            label for name, (_, given) in metrics().items() for label in given if any(name in each for each in names)
        }
        assert labels <= known | ADDED, names


def sections(page: Path) -> dict[str, str]:
    """Return the sections of a page that are named like an alert."""
    _, *found = SECTION.split(page.read_text())
    return dict(zip(found[::2], (re.split(r"^##+ ", text, flags=re.MULTILINE)[0] for text in found[1::2]), strict=True))


@pytest.mark.parametrize(("file", "page"), [("alerts.yaml", "runbook.md"), ("alerts_of_jobs.yaml", "jobs.md")])
def test_every_alert_has_its_section(file: str, page: str) -> None:
    path = ROOT / "docs" / page
    assert (FOLDER / file).exists() == path.exists()
    if not path.exists():
        return
    text = (FOLDER / file).read_text()
    alerts = set(re.findall(r"- alert: (\w+)", text))
    assert sections(path).keys() == alerts
    assert set(re.findall(r"runbook: (.+)", text)) == {f"docs/{page}#{alert.lower()}" for alert in alerts}
    for name, section in sections(path).items():
        assert re.findall(r"^\*\*(.+)\*\*", section, re.MULTILINE) == ["Means", "Look at", "Do"], name


def codes(kind: type[AppError] = AppError) -> Iterator[str]:
    for each in kind.__subclasses__():
        yield from codes(each)
    yield kind.code


def test_sections_name_events_codes_and_metrics_that_exist() -> None:
    texts = [*sections(ROOT / "docs/runbook.md").values(), *(sections(JOBS).values() if JOBS.exists() else ())]
    spans = " ".join(span for text in texts for span in re.findall(r"`([^`\n]+)`", text) if "[5m]" not in span)
    named = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", spans))
    sources = [path.read_text() for path in (ROOT / "src/app/platform").rglob("*.py")]
    events = {event for text in sources for event in re.findall(r'\blog\.\w+\(\s*"(\w+)"', text)}
    assert len(named) > 20
    assert sorted(named - metrics().keys() - events - set(codes()) - WORDS) == []

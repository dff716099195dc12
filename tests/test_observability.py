"""The alerts do with given series what their tests say, and Prometheus understands the queries of the dashboards.

tests/platform/shared/test_observability.py holds that what they name exists.
"""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import promtool
from tests.life import Rendered
from tests.shell import attempt, run
from tests.variants import structural_variants

FOLDER = "deploy/observability"
# Grafana's own, which it replaces before Prometheus gets the query
VARIABLES = {"$__rate_interval": "5m", "$job": "api|worker"}

THRESHOLD = re.compile(r"(?<!\w)> ([\d.]+)(?= and|$)")

Alert = tuple[str, str]


@pytest.fixture
def service(rendered: Rendered) -> Path:
    """Return a service with jobs, which has all of these files."""
    return rendered(next(each for each in structural_variants() if each["task_queue"] != "none"))


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text())
    return loaded


def rules(folder: Path, name: str) -> list[dict[str, Any]]:
    return [rule for group in load(folder / name)["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("name", ["alerts.yaml", "alerts_of_jobs.yaml"])
def test_alerts_fire_above_their_thresholds_only(name: str, service: Path) -> None:
    folder = service / FOLDER
    run(promtool.find(), "test", "rules", f"tests/{name}", cwd=folder)
    alerts = {(rule["alert"], rule["labels"]["severity"]) for rule in rules(folder, name)}
    fired: set[Alert] = set()
    spared: set[Alert] = set()
    for group in load(folder / "tests" / name)["tests"]:
        for case in group["alert_rule_test"]:
            jobs: dict[str, set[str]] = {}
            for each in case["exp_alerts"]:
                jobs.setdefault(each["exp_labels"]["severity"], set()).add(each["exp_labels"]["job"])
            fired |= {(case["alertname"], severity) for severity in jobs}
            # another job has a value that is just not enough
            given = set(re.findall(r'\bjob="(\w+)"', str(group["input_series"])))
            spared |= {(case["alertname"], severity) for severity, found in jobs.items() if given - found}
    assert fired == spared == alerts


@pytest.mark.parametrize("change", [lambda most: 1.2 * most + 1, lambda most: 0.8 * most - 0.1], ids=["more", "less"])
@pytest.mark.parametrize("severity", ["warning", "critical"])
@pytest.mark.parametrize("name", ["alerts.yaml", "alerts_of_jobs.yaml"])
def test_tests_of_alerts_notice_other_thresholds(
    name: str, severity: str, change: Callable[[float], float], service: Path, tmp_path: Path
) -> None:
    shutil.copytree(service / FOLDER, tmp_path, dirs_exist_ok=True)
    loaded = load(tmp_path / name)
    changed = set()
    for rule in (rule for group in loaded["groups"] for rule in group["rules"]):
        if rule["labels"]["severity"] == severity and (found := THRESHOLD.search(rule["expr"])):
            rule["expr"] = THRESHOLD.sub(f"> {change(float(found[1]))}", rule["expr"])
            changed.add(rule["alert"])
    (tmp_path / name).write_text(yaml.safe_dump(loaded))
    printed = attempt(promtool.find(), "test", "rules", f"tests/{name}", cwd=tmp_path).stdout
    assert set(re.findall(r"alertname: *(\w+)", printed)) == changed
    assert changed


def queries(dashboard: Path) -> list[str]:
    panels = json.loads(dashboard.read_text())["panels"]
    return [target["expr"] for panel in panels if panel["type"] != "row" for target in panel["targets"]]


def test_queries_of_dashboards_are_understood(service: Path, tmp_path: Path) -> None:
    texts = [query for path in sorted((service / FOLDER).glob("*.json")) for query in queries(path)]
    assert len(texts) > 30
    for name, value in VARIABLES.items():
        texts = [text.replace(name, value) for text in texts]
    assert not [text for text in texts if "$" in text]
    recorded = [{"record": f"query_{number}", "expr": text} for number, text in enumerate(texts)]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": recorded}]}))
    run(promtool.find(), "check", "rules", "rules.yaml", cwd=tmp_path)

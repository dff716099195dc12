"""Asks Prometheus for what the panels of a dashboard draw."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pages.dashboards.units import UNITS
from tests.prometheus import Line, Prometheus, replaced

# left, top, width and height of a panel in Grafana's grid, in columns and rows
Cells = tuple[int, int, int, int]


class PanelError(ValueError):
    """A dashboard has something that pictures do not show yet."""


@dataclass(frozen=True)
class Panel:
    """A panel with the lines that it draws, by their names in the legend; a row has neither unit nor lines."""

    number: int
    title: str
    place: Cells
    unit: str = ""
    most: float | None = None
    lines: tuple[tuple[str, Line], ...] = ()


@dataclass(frozen=True)
class Board:
    """A dashboard with the values of its variables, and the Unix times from which and until which it is drawn."""

    title: str
    variables: Mapping[str, str]
    panels: tuple[Panel, ...]
    since: float
    until: float


def asked(dashboard: Mapping[str, Any], prometheus: Prometheus, job: str, since: float, until: float) -> Board:
    """Return a dashboard for one job, with the lines from `since` until `until` (Unix times).

    Raises:
        PanelError: it has something that pictures do not show yet.
        PrometheusError: a query is wrong.
    """
    values = {"datasource": "Prometheus", "job": job}
    if unknown := {each["name"] for each in dashboard["templating"]["list"]} - values.keys():
        raise PanelError(f"pictures do not know the value of {unknown}")
    variables = {each["label"]: values[each["name"]] for each in dashboard["templating"]["list"]}
    panels = tuple(_panel(each, prometheus, job, since, until) for each in dashboard["panels"])
    return Board(dashboard["title"], variables, panels, since, until)


def legend(form: str, labels: Mapping[str, str]) -> str:
    """Return the name of a line: a text with labels in double braces, filled in."""
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), form)


def _panel(panel: Mapping[str, Any], prometheus: Prometheus, job: str, since: float, until: float) -> Panel:
    number, title = int(panel["id"]), str(panel["title"])
    grid = panel["gridPos"]
    place = (grid["x"], grid["y"], grid["w"], grid["h"])
    if panel["type"] == "row" and not panel["panels"]:
        return Panel(number, title, place)
    if not _is_known(panel):
        raise PanelError(f"the panel {title!r} is of a kind, or has a setting, that pictures do not show: {panel}")
    settings = panel["fieldConfig"]["defaults"]
    lines = tuple(
        (legend(target["legendFormat"], line.labels), line)
        for target in panel["targets"]
        for line in prometheus.lines(replaced(target["expr"], [job]), since, until)
    )
    return Panel(number, title, place, settings["unit"], settings.get("max"), lines)


def _is_known(panel: Mapping[str, Any]) -> bool:
    """Return whether a picture can show all of a panel; one that leaves something out would still be believed."""
    if panel["type"] != "timeseries" or panel["fieldConfig"]["overrides"]:
        return False
    settings = panel["fieldConfig"]["defaults"]
    return settings.keys() <= {"unit", "min", "max"} and settings.get("unit") in UNITS and settings.get("min") == 0

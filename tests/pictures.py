"""Reads the pictures of dashboards (pages/dashboards), and says what they should show."""

import re
from typing import Any
from xml.etree import ElementTree as ET

from tests.watched import NOTHING_TO_DRAW

# of a panel or the heading of a row, whose title is a text; whether lines are drawn in it
Shown = tuple[str, bool]


def shown(picture: str) -> list[Shown]:
    """Return what a picture shows, in its order."""
    root = ET.fromstring(picture)  # noqa: S314 - it is our own
    groups = [each for each in root.iter() if re.fullmatch(r"panel-\d+", each.get("id", ""))]
    return [(_title(group), any(_is_line(each) for each in group.iter())) for group in groups]


def expected(dashboard: dict[str, Any]) -> list[Shown]:
    """Return what the picture of a dashboard should show of a healthy service without replicas."""
    return [(panel["title"], not all(map(_is_silent, _queries(panel)))) for panel in dashboard["panels"]]


def _title(group: ET.Element) -> str:
    (found,) = [each for each in group.iter() if re.fullmatch(r"title-\d+", each.get("id", ""))]
    return "".join(found.itertext()).strip()


def _is_line(group: ET.Element) -> bool:
    """Return whether it is a line, with a stroke or a dot."""
    named = group.get("id", "").startswith("line-")
    return named and any(each.tag.endswith("use") or " L " in each.get("d", "") for each in group.iter())


def _queries(panel: dict[str, Any]) -> list[str]:
    return [target["expr"] for target in panel.get("targets", ())]


def _is_silent(query: str) -> bool:
    return any(part in query for part in NOTHING_TO_DRAW)

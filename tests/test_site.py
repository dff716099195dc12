"""The documentation is a static site that loads nothing from elsewhere, without broken links."""

import re
from pathlib import Path
from typing import Any

import pytest

from pages.__main__ import sphinx
from pages.dashboards.panels import PanelError, asked
from pages.dashboards.units import UNITS
from tests.pictures import expected, shown
from tests.prometheus import Prometheus
from tests.shell import CommandError
from tests.variants import ROOT
from tests.watched import dashboards

MEGABYTE = 2**20


def test_a_broken_link_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources/index.md").write_text("# Title\n\n[a page](nowhere.md) and [a part](#of-none)\n")
    with pytest.raises(CommandError, match=r"(?s)nowhere\.md.*of-none"):
        sphinx(tmp_path, tmp_path / "site")


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert {"index.html", "explorer.html", "CHANGELOG.html", "adopting.html", "tuning.html"} <= {p.name for p in pages}
    loads = re.compile(r"<(?:script|img|iframe|source)[^>]*\ssrc=\"([^\"]+)|<link[^>]*\shref=\"([^\"]+)")
    texts = {path: path.read_text() for path in pages}
    loaded = {source or sheet for text in texts.values() for source, sheet in loads.findall(text)}
    assert loaded
    assert not [each for each in loaded if "//" in each]
    assert not [path for path in site.rglob("*.css") if re.search(r"url\([\"']?(https?:)?//|@import", path.read_text())]


def test_data_is_small_and_loaded_by_file(site: Path) -> None:
    place = site / "_static/explorer"
    assert sum(path.stat().st_size for path in place.rglob("*.js")) < 4 * MEGABYTE
    assert (place / "manifest.js").stat().st_size < MEGABYTE / 16
    assert max(path.stat().st_size for path in (place / "files").iterdir()) < MEGABYTE / 2


def test_pictures_of_dashboards_show_every_panel() -> None:
    """After a change of a dashboard, `make dashboards` draws its picture anew."""
    pictures = {path.stem: shown(path.read_text()) for path in (ROOT / "docs/pictures").glob("*.svg")}
    wanted = {name: expected(dashboard) for name, dashboard in dashboards(ROOT / "template").items()}
    assert len(wanted) == 2
    assert sum(drawn for panels in wanted.values() for _, drawn in panels) > 25
    assert pictures == wanted


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"type": "stat"}, "stat"),
        ({"type": "row", "panels": [{"title": "hidden"}]}, "hidden"),
        ({"fieldConfig": {"defaults": {"unit": "s", "min": 0, "thresholds": {}}, "overrides": []}}, "thresholds"),
        ({"fieldConfig": {"defaults": {"unit": "s"}, "overrides": []}}, "'unit': 's'"),
        ({"fieldConfig": {"defaults": {"unit": "bytes", "min": 0}, "overrides": []}}, "bytes"),
    ],
)
def test_a_panel_that_pictures_cannot_show_is_an_error(change: dict[str, Any], named: str) -> None:
    dashboard = dashboards(ROOT / "template")["dashboard"]
    panel = {**dashboard["panels"][1], **change}
    with pytest.raises(PanelError, match=named):
        asked({**dashboard, "panels": [panel]}, Prometheus("http://127.0.0.1:9"), "shop", 0, 1)


def test_a_variable_that_pictures_cannot_fill_is_an_error() -> None:
    dashboard = {"title": "Service", "templating": {"list": [{"name": "region", "label": "Region"}]}, "panels": []}
    with pytest.raises(PanelError, match="region"):
        asked(dashboard, Prometheus("http://127.0.0.1:9"), "shop", 0, 1)


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        ("s", 0, "0 s"),
        ("s", 0.000025, "25 µs"),
        ("s", 0.25, "250 ms"),
        ("s", 90, "1.5 min"),
        ("s", 7200, "2 hours"),
        ("percentunit", 0.025, "2.5%"),
        ("short", 12500, "12.5 K"),
        ("short", 3e6, "3 M"),
        ("reqps", 0.5, "0.5 req/s"),
        ("ops", 20, "20 ops/s"),
    ],
)
def test_pictures_have_the_units_of_grafana(unit: str, value: float, text: str) -> None:
    assert UNITS[unit](value) == text


def test_pictures_of_dashboards_are_on_their_page(site: Path) -> None:
    page = (site / "docs/dashboards.html").read_text()
    sources = re.findall(r'<img alt="The dashboard [^>]*src="([^"]+)', page)
    committed = sorted((ROOT / "docs/pictures").iterdir())
    assert [(site / "docs" / source).read_text() for source in sources] == [path.read_text() for path in committed]


def test_the_page_about_metrics_leads_to_the_pictures(site: Path) -> None:
    page = re.sub(r"</?span[^>]*>", "", (site / "service/docs/metrics.html").read_text())
    assert '../../docs/dashboards.html">pictures</a>' in page

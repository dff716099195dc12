"""The documentation is a static site that loads nothing from elsewhere, without broken links."""

import re
from pathlib import Path

import pytest

from pages.__main__ import sphinx
from tests.shell import CommandError

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

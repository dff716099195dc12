"""Collects the pages of the site: those of this repository, and those of a service with the default answers."""

from collections.abc import Mapping
from pathlib import Path

from pages import data
from tests.variants import ROOT

# what has pictures that a service does not have
IMPORT = "Grafana: Dashboards, New, Import"

# links to what is a page under another name in the site, or a page only there
LINKS = {
    "](docs/adr/)": "](docs/adr/index.md)",
    "](LICENSE)": "](LICENSE.md)",
    "](../template/docs/": "](../service/docs/",
    "builds these pages and an explorer": "builds these pages and an [explorer](explorer.md)",
    f"| {IMPORT} |": f"| {IMPORT} ([pictures](../../docs/dashboards.md)) |",
}

OWN = ("CONTRIBUTING.md", "CHANGELOG.md")
OF_SERVICE = ("README.md", "CONTRIBUTING.md")

EXPLORER = """---
hide-toc: true
---

# Explorer

Choose answers, see the files of the service, open one, and see what an answer changes.
Everything here was rendered when this site was built. Left out is `.copier-answers.yml`, in which Copier keeps the
answers.

```{raw} html
:file: explorer.html
```
"""

CONTENTS = """
```{toctree}
:hidden:
:caption: The template

Overview <self>
explorer
docs/adopting
docs/dashboards
docs/measurements
docs/adr/index
CONTRIBUTING
CHANGELOG
LICENSE
```

```{toctree}
:hidden:
:caption: A service with the default answers
:glob:

service/README
service/docs/*
service/docs/adr/index
service/CONTRIBUTING
```
"""

DECISIONS = """# Decisions

```{toctree}
:glob:

*
```
"""


def collect(service: Mapping[str, bytes], target: Path) -> None:
    """Write the sources of all pages; a service's are given as the content of each path."""
    pages: dict[str, str] = {"index.md": (ROOT / "README.md").read_text() + CONTENTS, "explorer.md": EXPLORER}
    pages["LICENSE.md"] = f"# License\n\n{(ROOT / 'LICENSE').read_text()}"
    pages |= {name: (ROOT / name).read_text() for name in OWN}
    own = [path for path in (ROOT / "docs").rglob("*") if path.suffix in (".md", ".svg")]
    pages |= {path.relative_to(ROOT).as_posix(): path.read_text() for path in own}
    pages |= {f"service/{path}": text.decode() for path, text in service.items() if _is_page(path)}
    pages |= dict.fromkeys(("docs/adr/index.md", "service/docs/adr/index.md"), DECISIONS)
    pages["explorer.html"] = data.form()
    for path, text in pages.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(_linked(text) if path.endswith(".md") else text)


def _is_page(path: str) -> bool:
    return path in OF_SERVICE or (path.startswith("docs/") and path.endswith(".md"))


def _linked(text: str) -> str:
    for said, link in LINKS.items():
        text = text.replace(said, link)
    return text

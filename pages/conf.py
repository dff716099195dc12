"""How Sphinx builds the site; `python -m pages` collects the sources and calls it."""

import os

from sphinx.application import Sphinx

project = "copier-fastapi-sqlalchemy"
html_title = project
extensions = ["myst_parser"]
# links to headings, as GitHub has them
myst_heading_anchors = 3

html_theme = "furo"
# what the explorer is made of, and what it shows
html_static_path = ["static", os.environ["PAGES_DATA"]]
html_favicon = "static/icon.svg"
html_copy_source = False
html_use_index = False
html_show_copyright = False
html_show_sphinx = False

EXPLORER = ("core", "address", "files", "difference", "view", "page", "manifest")


def setup(app: Sphinx) -> None:
    """Load the explorer's scripts and styles in its own page only."""
    app.connect("html-page-context", _explorer)


def _explorer(app: Sphinx, page: str, *_: object) -> None:
    if page == "explorer":
        app.add_css_file("explorer/explorer.css")
        for name in EXPLORER:
            app.add_js_file(f"explorer/{name}.js", loading_method="defer")

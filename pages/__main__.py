"""Builds the site: `python -m pages DIRECTORY`."""

import os
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pages import data, sources
from pages.composition import File, compose, files_with, shown_variants
from tests.rendering import render, rendered_files, snapshot
from tests.shell import CommandError, run
from tests.variants import Variant, choices, questions

SECONDS = 300


def renderings(folder: Path) -> dict[Variant, dict[str, bytes]]:
    """Render the working tree in as many variants as show every version of every file."""
    template = snapshot(folder / "template")

    def files(variant: Variant) -> dict[str, bytes]:
        return rendered_files(render(template, folder / variant.id, dict(variant.answers)))

    variants = shown_variants()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(variants, pool.map(files, variants), strict=True))


def build(composed: Mapping[str, File], target: Path, folder: Path) -> None:
    """Build the site of all versions of all files.

    Raises:
        CommandError: Sphinx found something wrong.
    """
    usual = Variant(tuple((name, str(questions()[name]["default"])) for name in choices()))
    sources.collect(files_with(composed, usual), folder / "sources")
    data.write(composed, folder / "data" / "explorer")
    sphinx(folder, target)


def sphinx(folder: Path, target: Path) -> None:
    """Make HTML of the folder's `sources` and `data`; a warning, such as one of a broken link, is an error.

    Raises:
        CommandError: Sphinx found something wrong.
    """
    run(
        *(sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "--fresh-env"),
        *("--conf-dir", str(Path(__file__).parent), "-d", str(folder / "doctrees")),
        *(str(folder / "sources"), str(target)),
        cwd=folder,
        seconds=SECONDS,
        env={**os.environ, "PAGES_DATA": str(folder / "data")},
    )


def main(target: Path) -> None:
    """Render, and build the site."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        build(compose(renderings(folder)), target.resolve(), folder)
    sys.stdout.write(f"open {target / 'index.html'}, the explorer is {target / 'explorer.html'}\n")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except CommandError as error:
        sys.exit(str(error))

"""Runs a carrier on the text that a release rendered, with the owner's edits in it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hooks.carriers import carry_models, carry_resources, carry_routes, carry_services
from tests.shapes import changed, renamed
from tests.shell import run

Carrier = Callable[[str, str, str], str | None]
PAGES: dict[Carrier, str] = {
    carry_services: "services.py",
    carry_resources: "resources.py",
    carry_models: "models.py",
    carry_routes: "api/router.py",
}


@dataclass(frozen=True)
class Carry:
    """The application of a release, and a place to look at results in."""

    app: Path
    place: Path

    def __call__(self, carrier: Carrier, fresh: str, *edits: tuple[str, str]) -> str | None:
        """Return what a carrier makes of the owner's edits; ruff must have nothing to say about it."""
        text = self.text(carrier)
        result = carrier(renamed(text), renamed(changed(text, *edits)), fresh)
        if result is not None:
            (self.place / "result.py").write_text(result)
            party = "--config=lint.isort.known-first-party=['app','dev','tests']"
            for command in (["check", "--select=I,E,F", party], ["format", "--check"]):
                common = ["--isolated", "--no-cache", "--line-length=120", "result.py"]
                run(sys.executable, "-m", "ruff", *command, *common, cwd=self.place)
        return result

    def text(self, carrier: Carrier) -> str:
        """Return what the release rendered."""
        return (self.app / PAGES[carrier]).read_text()

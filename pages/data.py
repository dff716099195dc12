"""Writes what the explorer shows, as scripts: a page opened from a disk may load those, but no other data."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pages.composition import File
from pages.highlighting import marks
from tests.variants import ROOT, choices, questions

HERE = Path(__file__).parent


def write(composed: Mapping[str, File], target: Path) -> None:
    """Write the list of all files, and the versions of each file in a script of its own.

    The answers that a file depends on, joined by slashes, lead to the number of a version.
    """
    (target / "files").mkdir(parents=True)
    listed: list[dict[str, Any]] = []
    build = hashlib.sha256()
    for number, file in enumerate(composed.values()):
        contents = sorted({content for content in file.versions.values() if content is not None})
        versions = {
            "/".join(key): contents.index(content) for key, content in file.versions.items() if content is not None
        }
        listed.append({"path": file.path, "questions": file.questions, "versions": versions})
        shown = [{"text": text, "marks": marks(file.path, text)} for text in map(bytes.decode, contents)]
        script = _call("receive", number, shown)
        build.update(script.encode())
        (target / "files" / f"{number}.js").write_text(script)
    asked = [
        {"name": name, "default": questions()[name]["default"], "answers": answers}
        for name, answers in choices().items()
    ]
    manifest = {"questions": asked, "files": listed, "source": source(), "build": build.hexdigest()[:16]}
    (target / "manifest.js").write_text(_call("begin", manifest))


def _call(name: str, *arguments: object) -> str:
    # JSON is JavaScript, but for two line separators that `json` escapes
    return f"explorer.{name}({', '.join(json.dumps(each, separators=(',', ':')) for each in arguments)});\n"


def source() -> str:
    """Return the address that the README has people copy the template from."""
    found = re.search(r"copier copy (\S+)", (ROOT / "README.md").read_text())
    if not found:
        raise LookupError("README.md shows no `copier copy`")
    return found[1]


def form() -> str:
    """Return the explorer's HTML, with a field for each question and its help."""
    jinja = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    asked = {name: details for name, details in questions().items() if name in choices()}
    return jinja.get_template("explorer.html.jinja").render(questions=asked)

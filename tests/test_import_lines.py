"""Imports of a module merge as sets: in their sections, by their names, and not where both sides changed one name."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

BASE = """\
from dataclasses import dataclass

from app.platform import settings
from app.platform.resources import Resources

x = 1
"""


def merged(mine: str, new: str) -> str | None:
    from dev.template.import_lines import merged_module  # noqa: PLC0415 - importable only in a test run

    result: str | None = merged_module(BASE, mine, new)
    return result


def edited(*edits: tuple[str, str]) -> str:
    text = BASE
    for before, after in edits:
        assert text.count(before) == 1
        text = text.replace(before, after)
    return text


FEATURE = ("from app.platform import", "from app.features.payments.settings import Payments\nfrom app.platform import")
OWN = ("dataclass\n", "dataclass\n\nfrom pydantic import Field\nfrom pydantic_settings import BaseSettings\n")


def test_a_new_section_stays_one_there_and_back() -> None:
    with_both = merged(edited(OWN), edited(FEATURE))
    assert with_both == edited(OWN, FEATURE)


@pytest.mark.parametrize(
    ("mine", "new", "line"),
    [
        ("Check, Resources", "Resources, open_all", "Check, Resources, open_all"),
        ("MOST, Resources", "Resources as R", "MOST, Resources as R"),
        ("Resources, a", "Resources, a, b", "Resources, a, b"),
    ],
)
def test_names_of_one_module_are_merged(mine: str, new: str, line: str) -> None:
    changed = [edited(("import Resources", f"import {names}")) for names in (mine, new)]
    assert merged(*changed) == edited(("import Resources", f"import {line}"))


def test_a_long_line_is_wrapped() -> None:
    one, other = ("A" + "a" * 50, "B" + "b" * 50)
    result = merged(*(edited(("import Resources", f"import Resources, {name}")) for name in (one, other)))
    names = "".join(f"    {name},\n" for name in (one, other, "Resources"))
    assert result == edited(("import Resources\n", f"import (\n{names})\n"))


@pytest.mark.parametrize(
    ("mine", "new"),
    [
        ("import Mine", "import New"),
        ("import Resources, mine", "import Resources, new  # why"),
    ],
)
def test_two_changes_of_one_name_are_a_conflict(mine: str, new: str) -> None:
    assert merged(*(edited(("import Resources", line)) for line in (mine, new))) is None


def test_an_import_that_both_removed_is_gone() -> None:
    gone = ("from app.platform.resources import Resources\n", "")
    own = ("import settings\n", "import settings\nfrom app.search import Search\n")
    assert merged(edited(gone, own), edited(gone, FEATURE)) == edited(gone, own, FEATURE)


def test_an_import_that_one_side_removed_is_gone() -> None:
    gone = ("from app.platform.resources import Resources\n", "")
    assert merged(edited(OWN), edited(gone)) == edited(OWN, gone)
    assert merged(edited(gone), edited(FEATURE)) == edited(gone, FEATURE)


def test_what_the_owner_still_uses_stays_imported() -> None:
    """Removing the sample removes imports of its lines, which lines of the owner's may need as well."""
    from dev.template.needed import completed  # noqa: PLC0415 - importable only in a test run

    gone = "from datetime import timedelta\nfrom typing import Any, cast\nimport json as j\n\n"
    unused = "from app.unused import UNUSED\n"
    own = "\n\ndef f(x: Any, Resources: int) -> None:\n    cast(x, timedelta, j)\n"
    theirs = BASE.replace("from dataclasses import dataclass", "from typing import Protocol")
    imports, rest = BASE.split("\n\n", 1)
    before = f"{gone}{imports}\n\n{unused}{rest}{own}"
    assert completed(f"{theirs}{own}", before) == (
        "import json as j\nfrom datetime import timedelta\n"
        + theirs.replace("import Protocol", "import Any, Protocol, cast")
        + own
    )
    assert completed(theirs, before) == theirs
    assert completed("not Python", before) == "not Python"


def test_imports_are_found_by_the_lines_of_python() -> None:
    """A form feed ends a line for `str.splitlines`, but not for Python."""
    from dev.template.needed import completed  # noqa: PLC0415 - importable only in a test run

    text = '"""Page\x0c\u2028one."""\n\nimport os\n\nnames = os, sys\n'
    assert completed(text, "import os\nimport sys\n") == text.replace("import os\n", "import os\nimport sys\n")


def test_names_are_not_added_to_an_import_of_everything() -> None:
    from dev.template.needed import completed  # noqa: PLC0415 - importable only in a test run

    text = "from app.heavy import *\n\nOWN = Thing\n"
    assert "\nfrom app.heavy import Thing\n" in f"\n{completed(text, 'from app.heavy import Thing')}"


def test_what_new_lines_of_the_template_use_stays_imported(tmp_path: Path) -> None:
    """The owner has removed an import that the template's new lines need."""
    from dev.template.needed import restore  # noqa: PLC0415 - importable only in a test run

    base, mine = "import os\nimport re\n\nA = os, re\n", "import os\n\nA = os\n"
    new = f"{base}B = re\n"
    place = tmp_path / "app.py"
    place.write_text("import os\n\nA = os\nB = re\n")
    sides = {name: {"app.py": text.encode()} for name, text in (("base", base), ("before", mine), ("new", new))}
    project: Any = SimpleNamespace(root=tmp_path, noted=lambda _: set())
    merge: Any = SimpleNamespace(project=project, **sides)
    restore(merge)
    assert place.read_text() == "import os\nimport re\n\nA = os\nB = re\n"

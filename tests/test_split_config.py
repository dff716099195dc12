"""`config.py` of any release becomes two files: own groups stay in it, edits of the template's groups move."""

import re
from pathlib import Path

import pytest

from hooks.configuration import CONFIG, split_config
from hooks.emigrants import PLATFORM
from hooks.merge import merge
from hooks.trees import REGULAR, File, Tree
from hooks.update import Update
from tests.composed import called
from tests.shapes import CONFIG as SHAPE
from tests.shapes import changed

GROUP = '''\
# ours
class SearchSettings(BaseSettings):
    """Search."""

    model_config = _group("SEARCH_")

    url: AnyUrl | None = None
    timeout: Seconds = 3.0


'''
ANCHOR = "# add your own group above"
OWN = (
    (ANCHOR, GROUP + ANCHOR),
    ("import AfterValidator, ", "import AfterValidator, AnyUrl, "),
    ("    log: LogSettings\n", "    log: LogSettings\n    # finds\n    search: SearchSettings\n"),
    (
        "    problems = process_problems",
        "    search, search_problems = _read(SearchSettings)\n    problems = process_problems",
    ),
    (" + log_problems\n", " + log_problems + search_problems\n"),
    ("log is None:", "log is None or search is None:"),
    ("log=log", "log=log, search=search"),
)
EXPECTED = changed(
    SHAPE,
    (
        "dataclass\n\nfrom",
        "dataclass\n\nfrom pydantic import AnyUrl\nfrom pydantic_settings import BaseSettings\n\nfrom",
    ),
    ("import PlatformSettings, read\n", "import PlatformSettings, Seconds, from_environment, group, read\n"),
    ("\n\n@dataclass", f"\n\n{called(GROUP)}@dataclass"),
    ("(SearchSettings)\n", "(SearchSettings)\n    # finds\n    search: SearchSettings = group(SearchSettings)\n"),
)


class Split:
    """An update of a project that consists of these files only."""

    def __init__(self, old_app: Path, *edits: tuple[str, str]) -> None:
        text = (old_app / "config.py").read_text()
        self.platform = called(text).replace("class Settings:", "class PlatformSettings:")
        start, end = self.platform.index("def load_settings"), self.platform.index("def _read")
        self.platform = self.platform[:start] + "def group(kind: object) -> None:\n    pass\n\n\n" + self.platform[end:]
        self.update = Update(Path(), Path(), "", "")
        trees = ({CONFIG: text}, {CONFIG: changed(text, *edits)}, {CONFIG: SHAPE, PLATFORM: self.platform})
        for name, files in zip(("base", "mine", "new"), trees, strict=True):
            self.update.__dict__[name] = _tree(files)
        split_config(self.update)

    def __getitem__(self, path: str) -> str:
        outcome = merge(self.update.base.get(path), self.update.mine.get(path), self.update.new.get(path))
        assert not outcome.conflict
        assert outcome.file is not None
        return outcome.file.content.decode()


def _tree(files: dict[str, str]) -> Tree:
    return {path: File(REGULAR, path, text.encode) for path, text in files.items()}


def test_an_own_group_stays(old_app: Path) -> None:
    split = Split(old_app, *OWN)
    assert split[CONFIG] == EXPECTED
    assert split[PLATFORM] == split.platform


def test_an_own_group_of_any_shape_stays(old_app: Path) -> None:
    """With an alias, a constant of the class, and a validator of the whole group."""
    body = (
        "    longest: ClassVar[int] = 60\n"
        '    timeout: Seconds = Field(default=3.0, validation_alias="SEARCH_SECONDS")\n\n'
        '    @model_validator(mode="after")\n'
        "    def _bounded(self) -> Self:\n"
        "        assert self.timeout <= self.longest\n"
        "        return self\n"
    )
    plain = "    timeout: Seconds = 3.0\n"
    imports = "from typing import ClassVar, Self\n"
    own = [(old, new.replace(plain, body)) for old, new in OWN]
    split = Split(old_app, *own, ("from pydantic import ", f"{imports}from pydantic import model_validator, "))
    assert split[PLATFORM] == split.platform
    config = split[CONFIG]
    assert body in config
    assert imports in config
    for name in ("AnyUrl", "Field", "model_validator"):
        assert re.search(rf"^from pydantic import .*\b{name}\b", config, re.MULTILINE), config


def test_an_edit_of_a_group_moves_with_it(old_app: Path) -> None:
    edit = ("max_body_bytes: int = Field(default=1_048_576,", "max_body_bytes: int = Field(default=7,")
    split = Split(old_app, edit, *OWN)
    assert split[CONFIG] == EXPECTED
    assert split[PLATFORM] == changed(split.platform, edit)


def test_what_a_group_of_the_templates_needs_moves_with_it(old_app: Path) -> None:
    helper = "Share = Annotated[float, Field(ge=0, le=1)]\n"
    edits = (
        ("Origin = ", f"{helper}Origin = "),
        ("    echo: bool = False\n", "    echo: bool = False\n    share: Share = 0.5\n"),
    )
    split = Split(old_app, *edits)
    assert split[CONFIG] == SHAPE
    assert split[PLATFORM] == changed(split.platform, *edits)


def test_statements_that_need_the_settings_are_below_them(old_app: Path) -> None:
    own = "def debug(settings: Settings) -> str:\n    return repr(settings)\n"
    split = Split(old_app, ("def _read(", f"{own}\n\ndef _read("))
    assert split[CONFIG] == f"{SHAPE}\n\n{own}"
    assert split[PLATFORM] == split.platform


def test_an_untouched_file_is_the_new_one(old_app: Path) -> None:
    split = Split(old_app)
    assert (split[CONFIG], split[PLATFORM]) == (SHAPE, split.platform)


@pytest.mark.parametrize(
    "edit",
    [
        ("    log, log_problems = _read(LogSettings)\n", "    log, log_problems = LogSettings(), []\n"),
        ("    log: LogSettings\n", "    log: LogSettings\n    number: int = 7  # ours\n    both: A | B = 8\n"),
    ],
)
def test_all_else_is_merged_by_lines(edit: tuple[str, str], old_app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    split = Split(old_app, edit)
    assert split[CONFIG] == SHAPE
    assert f"{PLATFORM}: has all of your {CONFIG}; please move" in capsys.readouterr().out
    assert edit[1] in split.update.mine[PLATFORM].content.decode()

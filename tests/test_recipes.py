"""tests/recipes.py follows the instructions it knows, and refuses all others instead of ignoring them."""

from pathlib import Path

import pytest

from tests.recipes import RecipeError, perform, titles

PYTHON = 'one = 1\nlast = "x, y"\n    last = 3\nlast = 3\n'


def follow(project: Path, *lines: str, without: str = "") -> str:
    """Follow a recipe and return the resulting file."""
    (project / "a.py").write_text(PYTHON)
    (project / "page.md").write_text("\n".join(["# Page", "", "## Do", "", *lines, "", "## Other", "", "In `a`, b."]))
    perform(project, "page.md", "Do", without=[without] if without else [])
    return (project / "a.py").read_text()


def block(text: str, language: str = "python") -> tuple[str, ...]:
    return ("", f"```{language}", *text.splitlines(), "```", "")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["In `a.py`, below `one = 1`, add `two = 2`."], PYTHON.replace("one = 1\n", "one = 1\ntwo = 2\n")),
        (
            ["In `a.py`, below the first `last = 3`, add `z`."],
            PYTHON.replace("    last = 3\n", "    last = 3\n    z\n"),
        ),
        (["In `a.py`, below the last `last = 3`, add `z`."], PYTHON + "z\n"),
        (["In `a.py`, replace `x, y` by `z`."], PYTHON.replace("x, y", "z")),
        (["In `*.py`, replace `x, y` by `z`."], PYTHON.replace("x, y", "z")),
        (
            ["In `a.py`, replace:", *block('one = 1\nlast = "x'), "by:", *block('one = "x')],
            PYTHON.replace('1\nlast = "', '"'),
        ),
        (["In `a.py`, remove the line `one = 1`."], PYTHON.removeprefix("one = 1\n")),
        (["In `a.py`, remove:", *block('one = 1\nlast = "x, y"')], "    last = 3\nlast = 3\n"),
        (["Which is:", *block("rm a.py\necho new > a.py", "sh")], "new\n"),
        (["A word about `a.py`, and more.", "", "### Left out", "", "In `a.py`, do."], PYTHON),
    ],
)
def test_instruction_is_followed(tmp_path: Path, lines: list[str], expected: str) -> None:
    assert follow(tmp_path, *lines, without="Left out" if "### Left out" in lines else "") == expected


def test_file_is_made_with_its_directory(tmp_path: Path) -> None:
    follow(tmp_path, "`new/b.py`:", *block("## no heading\n\nx = 1"))
    assert (tmp_path / "new/b.py").read_text() == "## no heading\n\nx = 1\n"
    assert titles((tmp_path / "page.md").read_text()) == ["Page", "Do", "Other"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["In `a.py`, below `two = 2`, add `z`."], "line 5: 0 lines of a.py"),
        (["In `a.py`, below `last = 3`, add `z`."], "line 5: 2 lines of a.py"),
        (["In `a.py`, above `one = 1`, add `z`."], "line 5: this is not understood"),
        (["In `a.py`, replace `last` by `z`."], "a.py has 3 times 'last'"),
        (["In `a.py`, replace `x`, by `z`."], "this is not understood"),
        (["In `a.py`, replace:", *block("one"), *block("two")], "by what to replace it"),
        (["In `a.py`, replace:", "", "Words."], "there should be a block"),
        (["In `a.py`, remove the line `last = 3`."], "2 lines of a.py"),
        (["In `b.py`, remove the line `x`."], "there is no b.py"),
        (["In `*.md`, replace `# Page` by `z`.", "In `*.js`, remove `x`."], "this is not understood"),
        (["In `*.js`, replace `x` by `z`."], r"0 files are \*.js"),
        (["`a.py`:", *block("x = 1")], "a.py exists already"),
        (["`../b.py`:", *block("x = 1")], "not in the project"),
        (["Words.", *block("x = 1")], "line 7: it is not said what this block is for"),
        (["by:", *block("x = 1")], "this is not understood"),
        (["Words.", "", "```sh", "true"], "this block does not end"),
        (["Run:", *block("true\nfalse\ntouch b.py", "sh")], "ended with 1"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_line(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        follow(tmp_path, *lines)
    assert not (tmp_path / "b.py").exists()


def test_section_has_to_be_there(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# Page\n")
    with pytest.raises(RecipeError, match="0 headings are 'Do'"):
        perform(tmp_path, "page.md", "Do")
    with pytest.raises(RecipeError, match="0 headings are 'Missing'"):
        perform(tmp_path, "page.md", "Page", without=["Missing"])

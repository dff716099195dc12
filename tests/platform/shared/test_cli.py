"""Parameters of a command's function are arguments of their types."""

import sys
from datetime import date
from uuid import UUID, uuid4

import pytest

from app.platform import cli

KEY = uuid4()

seen: list[object] = []


def count_notes(word: str, limit: int = 10, since: date | None = None, key: UUID | None = None) -> None:
    """Count something."""
    seen[:] = [word, limit, since, key]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["app", "count-notes", *arguments])
    cli.run(None, [cli.Command(count_notes)])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["x"], ["x", 10, None, None]),
        (["7", "3"], ["7", 3, None, None]),
        (["x", "3", "2030-01-31", str(KEY)], ["x", 3, date(2030, 1, 31), KEY]),
    ],
)
def test_arguments_have_the_types_of_the_parameters(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: list[object]
) -> None:
    run(monkeypatch, *arguments)
    assert seen == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: word"),
        (["x", "many"], "argument limit: Input should be a valid integer"),
        (["x", "3", "soon"], "argument since: Input should be a valid date"),
    ],
)
def test_wrong_arguments_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as exited:
        run(monkeypatch, *arguments)
    assert exited.value.code == 2
    assert message in capsys.readouterr().err

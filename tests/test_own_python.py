"""This repository's own Python passes the same checks as the rendered code."""

import sys
from pathlib import Path

import pytest
import yaml

from tests.shell import run
from tests.variants import ROOT


@pytest.mark.parametrize("command", ["ruff check --no-cache", "ruff format --check --no-cache", "mypy"])
def test_is_clean(command: str, tmp_path: Path) -> None:
    program, *arguments = command.split()
    cache = [f"--cache-dir={tmp_path}"] if program == "mypy" else []
    run(sys.executable, "-m", program, *arguments, *cache, cwd=ROOT)


def test_a_commit_is_checked_by_the_same_command(tmp_path: Path) -> None:
    """A hook that downloads its tools could run other releases of them than `make lint` does."""
    settings = ROOT / ".pre-commit-config.yaml"
    run(sys.executable, "-m", "pre_commit", "validate-config", str(settings), cwd=tmp_path)
    repositories = yaml.safe_load(settings.read_text())["repos"]
    hooks = [(each["repo"], hook["entry"]) for each in repositories for hook in each["hooks"]]
    assert hooks == [("local", "make lint")]

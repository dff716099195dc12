"""This repository's own Python is as clean as what it renders."""

import sys
from pathlib import Path

import pytest

from tests.shell import run
from tests.variants import ROOT


@pytest.mark.parametrize("command", ["ruff check --no-cache", "ruff format --check --no-cache", "mypy"])
def test_is_clean(command: str, tmp_path: Path) -> None:
    program, *arguments = command.split()
    cache = [f"--cache-dir={tmp_path}"] if program == "mypy" else []
    run(sys.executable, "-m", program, *arguments, *cache, cwd=ROOT)

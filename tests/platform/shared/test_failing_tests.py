"""What a failed test of the service shows."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

TEST = """
import logging, sys
import structlog

def test_failing() -> None:
    logging.getLogger("library").error("of a library")
    structlog.get_logger().error("of_the_service")
    sys.stderr.write("on standard error")
    raise ZeroDivisionError
"""


@pytest.fixture
def failing() -> Iterator[Path]:
    """A test that fails, below the service's conftest.py."""
    folder = Path(__file__).with_name(f"failing_{uuid4().hex}")
    folder.mkdir()
    (folder / "test_failing.py").write_text(TEST)
    yield folder
    shutil.rmtree(folder)


def test_log_of_a_failed_test_is_shown_once(failing: Path) -> None:
    command = [sys.executable, "-m", "pytest", "--no-cov", "-p", "no:cacheprovider", "--tb=native", str(failing)]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False).stdout
    assert "1 failed" in printed
    for line in ("of a library", "of_the_service", "on standard error"):
        assert printed.count(line) == 1, printed

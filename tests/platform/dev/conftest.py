"""Scratch projects for the tests of the developer servers."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.platform.dev.project import Project


@contextmanager
def scratch_project() -> Iterator[Project]:
    # Not below tmp_path, which only its owner may enter.
    with tempfile.TemporaryDirectory(prefix="dev-tests-", ignore_cleanup_errors=True) as root:
        project = Project(Path(root).resolve())
        try:
            yield project
        finally:
            project.end_servers()


@pytest.fixture
def project() -> Iterator[Project]:
    with scratch_project() as project:
        yield project


@pytest.fixture(scope="session")
def used_project() -> Iterator[Project]:
    """A project whose data exists already; each test leaves the data usable."""
    with scratch_project() as project:
        status, _, errors = project.run("run", "true")
        assert (status, errors) == (0, "")
        yield project

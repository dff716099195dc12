"""Databases behind a real PgBouncer."""

from collections.abc import Iterator

import pytest

from tests.platform.support.pgbouncer import pgbouncer


@pytest.fixture
def pooled_url(migrated_url: str) -> Iterator[str]:
    """Yield the URL of a migrated database behind a pooler in transaction mode that has five connections."""
    with pgbouncer(migrated_url, servers=5) as url:
        yield url

"""Fixtures for tests with a streaming replica."""

from tests.platform.db.replica.conftest import pair, signed_in

__all__ = ["pair", "signed_in"]

"""Keeps garbage collections short: a tenth of the time would go into looking at modules and tests again and again."""

import gc


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()

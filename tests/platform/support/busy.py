"""Keeps the event loop from its work, as a request does that computes."""

import time


def burn(seconds: float) -> None:
    """Compute for some seconds."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        pass

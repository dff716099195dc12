"""`make load`: send the journey of `tests/load/journey.py` from more and more clients, and report (docs/load.md)."""

"""`make load`: send the requests of `tests/make_load/` from more and more clients, and report (docs/load.md)."""

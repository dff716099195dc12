"""`make load`: what its clients do, and what is allowed (docs/load.md)."""

"""The service: see docs/architecture.md for the map."""

"""Data access by query builders over a session provider."""

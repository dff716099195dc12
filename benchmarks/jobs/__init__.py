"""Compares background jobs with the same library without the outbox: `python -m benchmarks jobs --help`."""

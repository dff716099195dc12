"""How fast background jobs are, beside the same library without the outbox: `python -m benchmarks jobs --help`."""

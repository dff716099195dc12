"""How fast the services are, side by side with the usual tutorial: `python -m benchmarks --help`."""

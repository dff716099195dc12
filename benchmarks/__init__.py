"""Compares the speed of the services with that of the usual tutorial: `python -m benchmarks --help`."""

"""Greetings: what this company is about."""

import sys


def say_hello(name: str) -> None:
    """Greet somebody by name."""
    sys.stdout.write(f"Moin, {name}!\n")

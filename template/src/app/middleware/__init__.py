"""What surrounds every request: see stack.py for the order."""

"""The HTTP surface: routes, and how failures look."""

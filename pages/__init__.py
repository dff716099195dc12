"""Builds the documentation as a static site, with an explorer of all variants (`make docs`)."""

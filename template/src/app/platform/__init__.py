"""The template's part of the service: read it, hook into it, and leave it to updates (README.md beside this file)."""

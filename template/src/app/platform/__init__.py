"""The template's part of the service. README.md in this folder says how to extend it without editing it."""

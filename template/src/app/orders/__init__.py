"""The sample feature: orders, their lines, and paying for them. docs/sample.md says how to remove it."""

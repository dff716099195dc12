"""The service. docs/architecture.md says what is where."""

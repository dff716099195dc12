"""The error that the commands report."""


class TemplateError(Exception):
    """A command refused to start, or its message says how to undo what it did; the message is for the developer."""

"""What the commands complain about."""


class TemplateError(Exception):
    """Nothing was done, or it says how to undo it; the message is for the developer."""

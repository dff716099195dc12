"""What may go wrong."""


class MigrationError(Exception):
    """The update cannot go on; the message is one line for the owner of the project."""
